package routes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
)

// parse reads a JSON array of rules, and returns all mistakes.
func parse(text []byte) (rules []Rule, errs []error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, []error{fmt.Errorf("%s; want a JSON array of rules, such as %s", where(text, err), example)}
	}
	for i, one := range raw {
		r, problems := parseRule(one)
		for _, p := range problems {
			errs = append(errs, fmt.Errorf("rule %d%s, %w", i+1, quoted(r.name), p))
		}
		if len(problems) == 0 {
			if earlier := hiddenBy(rules, &r); earlier != "" {
				errs = append(errs, fmt.Errorf("rule %d%s, path: %q is what %s is about already, and the first rule counts", i+1, quoted(r.name), r.path, earlier))
			}
		}
		rules = append(rules, r)
	}
	return rules, errs
}

const example = `[{"path":"/v1/foods/*","ttl":"5m"}]`

func quoted(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", name)
}

// hiddenBy names the earlier rule that takes all that r is about, if it has the same path.
func hiddenBy(rules []Rule, r *Rule) string {
	for i := range rules {
		if rules[i].path == r.path && r.methods&^rules[i].methods == 0 {
			return fmt.Sprintf("rule %d%s", i+1, quoted(rules[i].name))
		}
	}
	return ""
}

// where says what is wrong with text that is not JSON, by line and column.
func where(text []byte, err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		before := text[:min(int(syntax.Offset), len(text))]
		line := bytes.Count(before, []byte("\n")) + 1
		column := len(before) - bytes.LastIndexByte(before, '\n') - 1
		return fmt.Sprintf("line %d, column %d: %v", line, column, syntax)
	case errors.As(err, &kind):
		return "a JSON " + kind.Value
	}
	return err.Error()
}

// field is a member that a rule may have, and how it is read.
type field struct {
	name string
	read func(r *Rule, raw json.RawMessage) error
}

var fields = []field{
	{"name", func(r *Rule, raw json.RawMessage) error { return text(raw, &r.name) }},
	{"method", (*Rule).readMethod},
	{"path", (*Rule).readPath},
	{"ttl", func(r *Rule, raw json.RawMessage) error { return duration(raw, &r.ttl) }},
	{"stale_while_revalidate", func(r *Rule, raw json.RawMessage) error { return duration(raw, &r.staleWhileRevalidate) }},
	{"stale_if_error", func(r *Rule, raw json.RawMessage) error { return duration(raw, &r.staleIfError) }},
	{"override", func(r *Rule, raw json.RawMessage) error { return boolean(raw, &r.override) }},
	{"bypass", func(r *Rule, raw json.RawMessage) error { return boolean(raw, &r.bypass) }},
	{"query", func(r *Rule, raw json.RawMessage) error { return boolean(raw, &r.query) }},
	{"sort_query", func(r *Rule, raw json.RawMessage) error {
		r.sortQuery = new(bool)
		return boolean(raw, r.sortQuery)
	}},
	{"ignore_params", func(r *Rule, raw json.RawMessage) error {
		return words(raw, &r.ignoreParams, "a parameter's name, not encoded, such as fbclid or utm_*", func(s string) bool { return policy.ParameterNames("", []string{s}) == nil })
	}},
	{"key_headers", func(r *Rule, raw json.RawMessage) error {
		return words(raw, &r.keyHeaders, "a field's name, such as X-Tenant", policy.IsFieldName)
	}},
	{"tags", func(r *Rule, raw json.RawMessage) error {
		return words(raw, &r.tags, "a tag of printable characters", isTag)
	}},
}

// parseRule reads one rule. Of a rule with mistakes it returns what could be read.
func parseRule(raw json.RawMessage) (r Rule, problems []error) {
	members, err := object(raw)
	if err != nil {
		return r, []error{err}
	}
	for _, m := range members {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == m.name })
		switch {
		case m.twice:
			problems = append(problems, fmt.Errorf("%s: is there twice", m.name))
		case i < 0:
			problems = append(problems, fmt.Errorf("%s: not known; want %s", m.name, known()))
		default:
			if err := fields[i].read(&r, m.value); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", m.name, err))
			}
		}
	}
	if len(problems) == 0 {
		problems = r.check()
	}
	return r, problems
}

func known() string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// check finds what does not go together.
func (r *Rule) check() (problems []error) {
	refuse := func(bad bool, text string) {
		if bad {
			problems = append(problems, errors.New(text))
		}
	}
	windows := r.staleWhileRevalidate != nil || r.staleIfError != nil
	refuse(r.path == "", `path: missing; want one such as "/v1/foods/*"`)
	if r.methods == 0 {
		r.methods = get
		if r.query {
			r.methods = post
		}
	}
	refuse(r.query && r.methods != post, `query: true is for method "POST" alone: it says that such a POST only asks`)
	refuse(!r.query && r.methods&post != 0, `method: "POST" changes something and is never stored; want "query": true if it only asks, or another method`)
	refuse(r.bypass && (r.ttl != nil || windows || r.override || r.query || r.sortQuery != nil || len(r.ignoreParams)+len(r.keyHeaders)+len(r.tags) > 0),
		"bypass: true leaves nothing for the other fields to do; want path, method and name alone")
	refuse(r.override && r.ttl == nil && !windows, "override: true without ttl, stale_while_revalidate or stale_if_error says nothing in the response's place")
	return problems
}

type member struct {
	name  string
	value json.RawMessage
	twice bool
}

// object reads the members of a JSON object in their order.
func object(raw json.RawMessage) (members []member, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%s is no object; want one such as %s", shown(raw), example[1:len(example)-1])
	}
	for d.More() {
		var m member
		name, err := d.Token()
		if err == nil {
			err = d.Decode(&m.value)
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		m.name, _ = name.(string)
		m.twice = slices.ContainsFunc(members, func(x member) bool { return x.name == m.name })
		members = append(members, m)
	}
	return members, nil
}

// shown is a value as it was written, cut where it is long.
func shown(raw json.RawMessage) string {
	const longest = 60
	if len(raw) > longest {
		return strings.ToValidUTF8(string(raw[:longest]), "") + "..."
	}
	return string(raw)
}

func text(raw json.RawMessage, to *string) error {
	if raw[0] != '"' || json.Unmarshal(raw, to) != nil {
		return fmt.Errorf("%s is no string", shown(raw))
	}
	return nil
}

func boolean(raw json.RawMessage, to *bool) error {
	if s := string(raw); s != "true" && s != "false" {
		return fmt.Errorf("%s is no boolean; want true or false", shown(raw))
	}
	*to = raw[0] == 't'
	return nil
}

func duration(raw json.RawMessage, to **time.Duration) error {
	var s string
	if text(raw, &s) == nil {
		if d, err := time.ParseDuration(s); err == nil && d >= 0 {
			*to = &d
			return nil
		}
	}
	return fmt.Errorf(`%s is no duration; want one in quotes with a unit, such as "30s" or "1m30s"`, shown(raw))
}

// words reads a list of strings, each of which must be what want says.
func words(raw json.RawMessage, to *[]string, want string, ok func(string) bool) error {
	if raw[0] != '[' || json.Unmarshal(raw, to) != nil || len(*to) == 0 {
		return fmt.Errorf("%s is no list of strings; want e.g. [\"a\", \"b\"]", shown(raw))
	}
	for _, s := range *to {
		if !ok(s) {
			return fmt.Errorf("%q is not right; want %s", s, want)
		}
	}
	return nil
}

func isTag(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f })
}

// readMethod reads a method or a list of methods.
func (r *Rule) readMethod(raw json.RawMessage) error {
	var list []string
	if raw[0] == '"' {
		list = make([]string, 1)
		if err := text(raw, &list[0]); err != nil {
			return err
		}
	} else if raw[0] != '[' || json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return fmt.Errorf(`%s is neither a method nor a list of methods; want e.g. "GET" or ["GET", "QUERY"]`, shown(raw))
	}
	for _, s := range list {
		m := methodOf([]byte(s))
		if m == 0 {
			return fmt.Errorf("%q is never stored; want GET (which stands for HEAD, too), QUERY, or POST with \"query\": true", s)
		}
		r.methods |= m
	}
	return nil
}

// readPath reads a path with wildcards, and brings it into the spelling that it is compared in.
func (r *Rule) readPath(raw json.RawMessage) error {
	var path string
	if err := text(raw, &path); err != nil {
		return err
	}
	wild := strings.Index(path, "**")
	switch {
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("%q does not begin with a slash; want a path such as /v1/foods/*", path)
	case strings.ContainsAny(path, "?#"):
		return fmt.Errorf("%q has more than a path; want it without query (ignore_params is about that) and fragment", path)
	case strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return fmt.Errorf("%q has a space or a control character in it; want it percent-encoded, as it is sent", path)
	case wild >= 0 && (wild != len(path)-2 || path[wild-1] != '/'):
		return fmt.Errorf("%q has ** inside; want it as the last segment, where it stands for all below, or * for one segment", path)
	}
	r.path = tiers.NormalPath(path)
	return nil
}
