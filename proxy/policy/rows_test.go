package policy

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// The tests' clock: a response is asked for at asked, and there one second of no length later, at received; the wall
// clock then says noon.
const (
	asked    = tiers.Instant(1000 * time.Second)
	received = asked
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var atNoon = Times{Requested: asked, Received: received, Wall: noon}

// defaults is the configuration of an operator who sets nothing.
var defaults = &Config{HeuristicFraction: 0.1, HeuristicMaxTTL: 10 * time.Minute, KeepStale: 10 * time.Minute, Targets: []string{"Nearside-Cache-Control"}}

// fields makes a header of "Name: value | Name: value". "@-60" in it is the date 60 seconds before noon.
func fields(s string) (h tiers.Header) {
	if s == "" {
		return nil
	}
	for line := range strings.SplitSeq(s, " | ") {
		line = dates.ReplaceAllStringFunc(line, func(s string) string {
			n, _ := strconv.Atoi(s[1:])
			return string(AppendDate(nil, noon.Add(time.Duration(n)*time.Second)))
		})
		h = append(append(h, line...), "\r\n"...)
	}
	return h
}

var dates = regexp.MustCompile("@-?[0-9]+")

// request makes a Request of "METHOD | Name: value | …"; without a method it is a GET.
func request(s string) (*Request, tiers.Header) {
	method, rest, _ := strings.Cut(s, " | ")
	if strings.Contains(method, ":") || method == "" {
		method, rest = "GET", s
	}
	h := fields(rest)
	r := new(Request)
	r.Reset(MethodOf([]byte(method)))
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if tiers.EqualFold(n, "Content-Length") {
			r.Cond |= Content
		}
		if defaults.Bypasses(n) {
			r.Cond |= Unkeyed
		}
		r.Add(n, v)
	}
	return r, h
}

// response reads "STATUS | Name: value | …"; without a status it is a 200.
func response(c *Config, s string) *Response {
	status, rest, _ := strings.Cut(s, " | ")
	n := 0
	if len(status) == 3 && !strings.Contains(status, ":") {
		for _, d := range status {
			n = n*10 + int(d-'0')
		}
	} else {
		n, rest = 200, s
	}
	r := c.ReadResponse(n, fields(rest))
	return &r
}

// stored makes the entry of a response to a request, which must be storable.
func stored(t testing.TB, c *Config, req, resp, body string) *tiers.Entry {
	t.Helper()
	r, h := request(req)
	x := response(c, resp)
	make := c.NewEntry
	if x.Status == 206 {
		make = c.NewPart
	}
	e, why := make(r, h, x, atNoon)
	if e == nil {
		t.Fatalf("%q to %q is not stored: %v", resp, req, why)
	}
	e.Body = []byte(body)
	return e
}

// lines writes h as fields reads it, without its Date.
func lines(h tiers.Header) string {
	var out []string
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if !tiers.EqualFold(n, "Date") {
			out = append(out, string(n)+": "+string(v))
		}
	}
	return strings.Join(out, " | ")
}
