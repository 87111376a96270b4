package environ

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A Problem is one mistake in the environment. It may be printed: secrets are hidden in all its fields.
type Problem struct {
	Name   string // the variable; empty when a Validate method named none
	Value  string // what is set; empty when the variable is not set
	Reason string // what is wrong, and what would be right

	place int
	state string
}

// String is one line, such as
//
//	UPSTREAM_TIMEOUT="5 s": not a duration; want e.g. 30s, 1m30s
func (p *Problem) String() string {
	switch {
	case p.Name == "":
		return p.Reason
	case p.Value == "":
		return p.Name + p.state + ": " + p.Reason
	}
	return fmt.Sprintf("%s=%s: %s", p.Name, quote(p.Value), p.Reason)
}

// longest is how much of a value is printed, in bytes.
const longest = 120

func quote(value string) string {
	if len(value) > longest {
		return fmt.Sprintf("%q...", strings.ToValidUTF8(value[:longest], ""))
	}
	return fmt.Sprintf("%q", value)
}

// An Error is all mistakes in the environment, in the order of the table.
type Error struct {
	Problems []*Problem
}

// Error is a head line and one line for each problem.
func (e *Error) Error() string {
	var b strings.Builder
	if len(e.Problems) == 1 {
		b.WriteString("1 mistake in the configuration:")
	} else {
		fmt.Fprintf(&b, "%d mistakes in the configuration:", len(e.Problems))
	}
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		b.WriteString(p.String())
	}
	return b.String()
}

func (v *variable) problem(reason string) *Problem {
	p := &Problem{Name: v.name, Value: v.secret.redact(v.text), Reason: reason}
	if v.long && v.text != "" {
		p.Value = ""
		return p
	}
	if def := v.tag("envDefault"); v.text == "" && def != "" {
		p.state = " (default " + v.secret.redact(def) + ")"
	} else if v.text == "" {
		p.state = " (not set)"
	}
	return p
}

// validate asks the struct itself, if it has an opinion.
func (s *spec) validate(n node) []*Problem {
	if !n.value.CanInterface() { // embedded and not exported: the struct around it has its methods
		return nil
	}
	validator, ok := n.value.Addr().Interface().(interface{ Validate() error })
	if !ok {
		return nil
	}
	var problems []*Problem
	for _, err := range split(validator.Validate()) {
		if s.follows(err.Error(), n) {
			continue
		}
		name, reason, _ := strings.Cut(err.Error(), ": ")
		place, known := s.names[n.prefix+name]
		if !known {
			place, known = s.names[name]
		}
		if known {
			problems = append(problems, s.vars[place].problem(withoutValue(reason)))
		} else {
			problems = append(problems, &Problem{Reason: err.Error()})
		}
	}
	return problems
}

// follows reports whether a text from Validate names a variable that did not parse: what it says follows from that.
func (s *spec) follows(text string, n node) bool {
	names := strings.FieldsFunc(text, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	for _, v := range s.vars[n.from:n.to] {
		if v.failed && (slices.Contains(names, v.name) || slices.Contains(names, strings.TrimPrefix(v.name, n.prefix))) {
			return true
		}
	}
	return false
}

// withoutValue drops a quoted value at the start: the problem shows the value itself.
func withoutValue(reason string) string {
	if quoted, err := strconv.QuotedPrefix(reason); err == nil {
		if rest, ok := strings.CutPrefix(reason[len(quoted):], ": "); ok {
			return rest
		}
	}
	return reason
}

// split undoes errors.Join. Other errors with several causes stay whole, since their own text counts.
func split(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(joined.Unwrap()...).Error() != err.Error() {
		return []error{err}
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, split(err)...)
	}
	return all
}

// failure sorts the problems, drops those told twice (a struct that embeds another has its Validate too), and hides
// what secrets the texts repeat.
func (s *spec) failure(problems []*Problem) *Error {
	for _, p := range problems {
		p.Reason = s.scrub(strings.ReplaceAll(p.Reason, "\n", " "))
		place, known := s.names[p.Name]
		if !known {
			place = len(s.vars)
		}
		p.place = place
	}
	slices.SortStableFunc(problems, func(a, b *Problem) int { return a.place - b.place })
	seen := make(map[Problem]bool)
	problems = slices.DeleteFunc(problems, func(p *Problem) bool {
		twice := seen[*p]
		seen[*p] = true
		return twice
	})
	return &Error{problems}
}
