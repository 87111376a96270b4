package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/nearside-cache/nearside/tiers"
)

// tagSyntax is how a field lists the tags of a response.
type tagSyntax uint8

const (
	structured tagSyntax = iota // a Structured Field: a List of Strings
	spaced
	commas
)

type tagField struct {
	name   string
	syntax tagSyntax
}

// tagFields are the fields that are known to carry tags.
var tagFields = []tagField{
	{"Cache-Groups", structured}, // RFC 9875 §2
	{"Surrogate-Key", spaced},
	{"Cache-Tag", commas},
	{"Edge-Cache-Tag", commas},
	{"xkey", spaced},
}

// tagHeaders checks TAG_HEADERS.
func (c *Config) tagHeaders() error {
	for _, name := range c.TagHeaders {
		if !slices.ContainsFunc(tagFields, func(f tagField) bool { return strings.EqualFold(f.name, name) }) {
			return fmt.Errorf("TAG_HEADERS: %q: want some of Cache-Groups, Surrogate-Key, Cache-Tag, Edge-Cache-Tag, xkey", name)
		}
	}
	return nil
}

// HidesTags tells whether a response field is kept from clients.
func (c *Config) HidesTags(name []byte) bool {
	return !c.TagHeadersForward && named(c.TagHeaders, name)
}

// tags returns the tags of a response, in the form of [tiers.Entry.Tags]: those of the route, and those that its fields
// list.
func (c *Config) tags(h tiers.Header) string {
	var b strings.Builder
	b.WriteString(c.Tags)
	for _, f := range tagFields {
		if !named(c.TagHeaders, []byte(f.name)) {
			continue
		}
		for _, tag := range f.syntax.tags(linesOf(h, f.name)) {
			if !strings.ContainsAny(tag, "\r\n") {
				b.WriteString(tag)
				b.WriteByte('\n')
			}
		}
	}
	return b.String()
}

// maxTags bounds the tags of a response that kept older ones with each update, in bytes.
const maxTags = 64 << 10

// updatedTags returns the tags that e has once its fields became merged. Those that the stored fields do not show, since
// they are hidden from clients or withheld, stay: which field they came from is not known. ok is false when that became
// too much.
func (c *Config) updatedTags(e *tiers.Entry, merged tiers.Header) (tags string, ok bool) {
	tags = c.tags(merged)
	if c.tags(e.Header) == e.Tags {
		return tags, true
	}
	all := e.Tags
	for tag := range strings.Lines(tags) {
		if !strings.Contains("\n"+all, "\n"+tag) {
			all += tag
		}
	}
	return all, len(all) <= max(maxTags, len(e.Tags))
}

// linesOf returns the values of the fields with this name.
func linesOf(h tiers.Header, name string) (values []string) {
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if tiers.EqualFold(n, name) && len(v) > 0 {
			values = append(values, string(v))
		}
	}
	return values
}

// tags reads the lines of one field.
func (s tagSyntax) tags(lines []string) (tags []string) {
	switch s {
	case structured:
		return groups(lines)
	case spaced:
		for _, line := range lines {
			tags = append(tags, strings.Fields(line)...)
		}
	case commas:
		for _, line := range lines {
			for tag := range strings.SplitSeq(line, ",") {
				if tag = strings.Trim(tag, " \t"); tag != "" {
					tags = append(tags, tag)
				}
			}
		}
	}
	return tags
}

// groups reads a List of Strings; one that is anything else is as good as absent (RFC 9875 §2).
func groups(lines []string) (groups []string) {
	list, err := httpsfv.UnmarshalList(lines)
	if err != nil {
		return nil
	}
	for _, member := range list {
		item, _ := member.(httpsfv.Item)
		group, ok := item.Value.(string)
		if !ok {
			return nil
		}
		groups = append(groups, group)
	}
	return groups
}

// InvalidatedGroups returns the groups that the answer to an unsafe request invalidates (RFC 9875 §3). It means nothing in
// answers to safe ones.
func InvalidatedGroups(h tiers.Header) []string {
	return groups(linesOf(h, "Cache-Group-Invalidation"))
}

// Strong tells whether e can be confirmed by the origin without any doubt (RFC 9110 §8.8.1): it has a strong entity tag, or
// a Last-Modified that is one in effect. What was perhaps purged must not be confirmed by less.
func Strong(e *tiers.Entry, now time.Time) bool {
	tag, ok := e.Header.Get("ETag")
	if ok {
		return isStrong(tag)
	}
	return strongDate(e.Header, now)
}

// Doubtful tells whether a 304 leaves in doubt whether the content is the same byte for byte: its entity tag is weak.
func Doubtful(h tiers.Header) bool {
	tag, ok := h.Get("ETag")
	return ok && bytes.HasPrefix(tag, []byte("W/"))
}
