package policy

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

var allTags = Config{TagHeaders: []string{"Cache-Groups", "Surrogate-Key", "Cache-Tag", "Edge-Cache-Tag", "xkey"}, Tags: "route\n"}

func TestTags(t *testing.T) {
	for header, want := range map[string]string{
		"": "route",
		"Cache-Groups: \"one\", \"two words\"; p=1\r\ncache-groups: \"\\\"q\\\"\"\r\n": `route one "q" two-words`,
		"Cache-Groups: one, two\r\n":                          "route", // tokens, RFC 9875 §2
		"Cache-Groups: \"one\"\r\nCache-Groups: ,\r\n":        "route",
		"Surrogate-Key: one  two\tthree\r\n":                  "route one three two",
		"xkey: one two\r\nXkey: three\r\n":                    "route one three two",
		"Cache-Tag: one, two words ,,three\r\n":               "route one three two-words",
		"Edge-Cache-Tag: one,two\r\nCache-Tag: \r\n":          "route one two",
		"Surrogate-Key: a\r\nCache-Tag: b\r\nX-Tags: c\r\n":   "a b route",
		"Surrogate-Control: max-age=1\r\nCache-Tags: one\r\n": "route",
	} {
		got := strings.Split(strings.TrimSuffix(allTags.tags(tiers.Header(header)), "\n"), "\n")
		for i := range got {
			got[i] = strings.ReplaceAll(got[i], " ", "-")
		}
		slices.Sort(got)
		words := strings.Fields(want)
		slices.Sort(words)
		if !slices.Equal(got, words) {
			t.Errorf("%q: %q, want %q", header, got, words)
		}
	}
	few := Config{TagHeaders: []string{"XKEY"}}
	if got := few.tags(tiers.Header("Cache-Tag: a\r\nxkey: b\r\n")); got != "b\n" {
		t.Errorf("of xkey alone: %q", got)
	}
}

func TestTagHeadersRefused(t *testing.T) {
	if err := (&Config{TagHeaders: []string{"cache-tag", "X-Tag"}}).Validate(); err == nil || !strings.Contains(err.Error(), `TAG_HEADERS: "X-Tag"`) {
		t.Errorf("X-Tag: %v", err)
	}
}

// A 304, and a HEAD, replaces the tags of the fields that it has. Those that are not stored as fields stay.
func TestTagsUpdated(t *testing.T) {
	const etag = "ETag: \"1\"\r\n"
	times := Times{Wall: time.Now()}
	for _, row := range []struct{ stored, update, shown, hidden string }{
		{"Cache-Tag: old\r\n", "", "route old", "route old"},
		{"Cache-Tag: old\r\n", "Cache-Tag: new\r\n", "route new", "route old new"},
		{"Cache-Tag: old\r\n", "Cache-Tag: new, old\r\n", "route new old", "route old new"},
		{"Cache-Groups: \"group\"\r\nSurrogate-Key: old\r\n", "Surrogate-Key: new\r\n", "route group new", "route group old new"},
		{"Cache-Control: no-cache=\"xkey\"\r\nxkey: old\r\n", "Surrogate-Key: new\r\n", "route old new", "route old new"},
		{"", "xkey: new\r\n", "route new", "route new"},
		{"Cache-Tag: older\r\n", "Cache-Tag: old, older\r\n", "route old older", "route older old"},
	} {
		for _, forward := range []bool{false, true} {
			c := allTags
			c.TagHeadersForward = forward
			r := c.ReadResponse(200, tiers.Header("Cache-Control: max-age=60\r\n"+etag+row.stored))
			e, why := c.NewEntry(&Request{Method: Get}, nil, &r, times)
			if e == nil {
				t.Fatal(why)
			}
			want := row.hidden
			if forward {
				want = row.shown
			}
			by304, byHead := c.ReadResponse(304, tiers.Header(etag+row.update)), c.ReadResponse(200, tiers.Header(etag+row.update))
			for _, fresh := range []*tiers.Entry{c.Freshened(e, &by304, times), c.HeadFreshened(e, &byHead, -1, times)} {
				if got := strings.TrimSpace(strings.ReplaceAll(fresh.Tags, "\n", " ")); got != want {
					t.Errorf("%q, updated by %q, shown %v: tags %q, want %q", row.stored, row.update, forward, got, want)
				}
				if shows := fresh.Header.Has("Surrogate-Key") || fresh.Header.Has("Cache-Tag"); !forward && shows {
					t.Errorf("%q, updated by %q: hidden tags are stored", row.stored, row.update)
				}
			}
		}
	}
}

// Tags that stay are not collected without end: one day the response is fetched anew.
func TestTagsUpdatedTooOften(t *testing.T) {
	c := allTags
	e := &tiers.Entry{Status: 200, Header: tiers.Header("ETag: \"1\"\r\n"), Tags: "route\n"}
	for i := range 1 << 10 {
		r := c.ReadResponse(304, tiers.Header("ETag: \"1\"\r\nCache-Tag: "+strings.Repeat("x", 100)+strconv.Itoa(i)+"\r\n"))
		if e = c.Freshened(e, &r, Times{Wall: time.Now()}); e == nil {
			return
		}
	}
	t.Errorf("%d bytes of tags", len(e.Tags))
}

func TestInvalidatedGroups(t *testing.T) {
	for header, want := range map[string][]string{
		"": nil,
		"Cache-Group-Invalidation: \"a\", \"b c\"\r\n": {"a", "b c"},
		"cache-group-invalidation: \"a\"\r\n":          {"a"},
		"Cache-Group-Invalidation: a\r\n":              nil,
		"Cache-Groups: \"a\"\r\n":                      nil,
	} {
		if got := InvalidatedGroups(tiers.Header(header)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

func TestStrong(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]bool{
		"":                  false,
		"ETag: \"1\"\r\n":   true,
		"ETag: W/\"1\"\r\n": false,
		"Last-Modified: Thu, 01 Jan 2026 12:00:00 GMT\r\nDate: Thu, 01 Jan 2026 12:00:00 GMT\r\n":                  false,
		"Last-Modified: Thu, 01 Jan 2026 11:00:00 GMT\r\nDate: Thu, 01 Jan 2026 12:00:00 GMT\r\n":                  true,
		"ETag: W/\"1\"\r\nLast-Modified: Thu, 01 Jan 2026 11:00:00 GMT\r\nDate: Thu, 01 Jan 2026 12:00:00 GMT\r\n": false,
	} {
		if got := Strong(&tiers.Entry{Header: tiers.Header(header)}, now); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
	if Doubtful(tiers.Header("ETag: \"1\"\r\n")) || Doubtful(nil) || !Doubtful(tiers.Header("ETag: W/\"1\"\r\n")) {
		t.Error("the entity tags of a 304")
	}
}
