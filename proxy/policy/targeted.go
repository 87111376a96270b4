package policy

import (
	"fmt"

	"github.com/dunglas/httpsfv"

	"github.com/nearside-cache/nearside/tiers"
)

// targeted returns the directives of the first field of c.Targets that is there, is not empty and parses
// (RFC 9213 §2.2). ok is false when there is none.
func (c *Config) targeted(h tiers.Header) (d Directives, ok bool) {
	for _, name := range c.Targets {
		var lines []string
		for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
			if len(v) > 0 && tiers.EqualFold(n, name) {
				lines = append(lines, string(v))
			}
		}
		if d, ok = parseTargeted(lines); ok {
			return d, true
		}
	}
	return d, false
}

// parseTargeted reads the lines of one targeted field, a Dictionary Structured Field (RFC 9213 §2.1). ok is
// false when they are empty or do not parse: then the field is as good as absent.
func parseTargeted(lines []string) (d Directives, ok bool) {
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil || len(dict.Names()) == 0 {
		return d, false
	}
	for _, name := range dict.Names() {
		member, _ := dict.Get(name)
		d.addMember(name, member)
	}
	return d, true
}

// addMember takes in one member of a targeted field. Its parameters mean nothing (RFC 9213 §2.1).
func (d *Directives) addMember(name string, member httpsfv.Member) {
	item, single := member.(httpsfv.Item)
	if !single { // an inner list: no directive has one, so the argument is not usable
		d.add([]byte(name), nil, true, false)
		return
	}
	switch v := item.Value.(type) {
	case bool:
		if v { // "?0" is the directive that is not there
			d.add([]byte(name), nil, false, true)
		}
	case int64:
		d.add([]byte(name), fmt.Append(nil, v), true, true)
	case string:
		d.add([]byte(name), []byte(v), true, name == "no-cache" || name == "private") // field names; else a number is due
	default: // tokens, decimals, dates and bytes
		d.add([]byte(name), nil, true, false)
	}
}
