package policy

import (
	"strings"
	"testing"
)

func TestTargeted(t *testing.T) {
	for _, row := range []struct{ section, fields, want string }{ // the list is A-Cache-Control, B-Cache-Control
		{"9213 §2.2 first of the list", "B-Cache-Control: max-age=2 | A-Cache-Control: max-age=1 | Cache-Control: max-age=3", "max-age=1"},
		{"9213 §2.2 next of the list", "B-Cache-Control: max-age=2 | Cache-Control: max-age=3", "max-age=2"},
		{"9213 §2.2 not of the list", "C-Cache-Control: max-age=2 | Cache-Control: max-age=3", "max-age=3"},
		{"9213 §2.2 case of names", "a-cache-control: max-age=2", "max-age=2"},
		{"9213 §2.2 allows", "A-Cache-Control: max-age=2 | Cache-Control: no-store, private", "max-age=2"},
		{"9213 §2.2 forbids", "A-Cache-Control: no-store | Cache-Control: max-age=3", "no-store"},
		{"9213 §2.1 empty", "A-Cache-Control: | Cache-Control: max-age=3", "max-age=3"},
		{"9213 §2.1 does not parse", "A-Cache-Control: max-age=1, &&& | Cache-Control: max-age=3", "max-age=3"},
		{"9213 §2.1 does not parse", "A-Cache-Control: Max-Age=1 | Cache-Control: max-age=3", "max-age=3"},
		{"9213 §2.1 does not parse", "A-Cache-Control: max-age=1, | B-Cache-Control: max-age=2", "max-age=2"},
		{"9213 §2.1 does not parse", `A-Cache-Control: no-cache="a | Cache-Control: max-age=3`, "max-age=3"},
		{"9213 §2.1 does not parse", "A-Cache-Control: max-age=9999999999999999 | Cache-Control: max-age=3", "max-age=3"},
		{"9213 §2.1 large", "A-Cache-Control: max-age=999999999999999", "max-age=forever"},
		{"9213 §2.1 lines", "A-Cache-Control: max-age=1 | A-Cache-Control: public", "max-age=1 public"},
		{"9213 §2.1 lines, one empty", "A-Cache-Control: | A-Cache-Control: public", "public"},
		{"9213 §2.1 lines, one does not parse", "A-Cache-Control: max-age=1 | A-Cache-Control: ? | Cache-Control: max-age=3", "max-age=3"},
		{"9651 §3.2 the last one counts", "A-Cache-Control: max-age=1, max-age=2", "max-age=2"},
		{"9213 §2.1 unknown members", "A-Cache-Control: max-age=1, foo, bar=(1 2);x", "max-age=1"},
		{"9213 §2.1 parameters", "A-Cache-Control: max-age=1;x=2, no-cache;y", "max-age=1 no-cache"},
		{"9213 §2.1 booleans", "A-Cache-Control: must-revalidate, no-store=?1, private=?0", "no-store must-revalidate"},
		{"9213 §2.1 all false", "A-Cache-Control: no-store=?0 | Cache-Control: no-store", ""},
		{"9213 §2.1 type", `A-Cache-Control: max-age="1"`, "max-age=0"},
		{"9213 §2.1 type", "A-Cache-Control: max-age=1.5", "max-age=0"},
		{"9213 §2.1 type", "A-Cache-Control: max-age=abc", "max-age=0"},
		{"9213 §2.1 type", "A-Cache-Control: max-age", "max-age=0"},
		{"9213 §2.1 type", "A-Cache-Control: max-age=-1", "max-age=0"},
		{"9213 §2.1 type", "A-Cache-Control: max-age=(1 2)", "max-age=0"},
		{"9213 §2.1 type", "A-Cache-Control: max-age=@1", "max-age=0"},
		{"9213 §2.1 type", `A-Cache-Control: no-cache=("a"), private=token, no-store=1`, "no-cache no-store private"},
		{"9213 §2.1 type", "A-Cache-Control: public=x", ""},
		{"9213 §2.1 type", "A-Cache-Control: public=(x)", ""},
		{"9213 §2.1 field names", `A-Cache-Control: no-cache="a, b"`, "no-cache[a b]"},
		{"9213 §2.1 all directives", "A-Cache-Control: s-maxage=1, stale-while-revalidate=2, stale-if-error=3, proxy-revalidate, must-understand", "s-maxage=1 swr=2 sie=3 proxy-revalidate must-understand"},
	} {
		c := &Config{Targets: []string{"A-Cache-Control", "B-Cache-Control"}}
		r := c.ReadResponse(200, fieldsAsTheyAre(row.fields))
		if got := says(&r.CC); got != row.want {
			t.Errorf("%s: %q says %q, want %q", row.section, row.fields, got, row.want)
		}
	}
}

// fieldsAsTheyAre is fields for values that have an "@" of their own.
func fieldsAsTheyAre(s string) []byte {
	return []byte(strings.ReplaceAll(s, " | ", "\r\n") + "\r\n")
}

// TestTargetedReplaces: Expires does not count beside a targeted field (RFC 9213 §2.2), and without a list no
// field is one.
func TestTargetedReplaces(t *testing.T) {
	const s = "Nearside-Cache-Control: must-revalidate | Cache-Control: max-age=60 | Expires: @60"
	if r := response(defaults, s); r.explicit() || !r.targeted {
		t.Error("Cache-Control or Expires counts")
	}
	if r := response(&Config{}, s); !r.explicit() || r.targeted {
		t.Error("no field is targeted")
	}
	if r := ReadResponse(200, fields(s)); says(&r.CC) != "max-age=60" {
		t.Error("ReadResponse knows no targeted fields")
	}
}

func FuzzTargeted(f *testing.F) {
	for _, v := range []string{"max-age=1, no-store", `no-cache="a, b";x`, "max-age=1.5", "a=(1 2), b=?0", "max-age=@1", "\x00"} {
		f.Add(v, "s-maxage=3")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		d, ok := parseTargeted([]string{a})
		if !ok && d.Set != 0 {
			t.Fatalf("%q does not parse, and says %q", a, says(&d))
		}
		if d.MaxAge < 0 || d.MaxAge > Forever || d.SMaxAge < 0 || d.SMaxAge > Forever {
			t.Fatalf("%q: %q", a, says(&d))
		}
		second, okB := parseTargeted([]string{b})
		if two, okTwo := parseTargeted([]string{a, b}); ok && okB && (!okTwo || two.Set&second.Set != second.Set) {
			t.Fatalf("%q says %q, %q says %q, both: %q", a, says(&d), b, says(&second), says(&two))
		}
		// Where the two syntaxes are one, both say the same.
		if cc := directives(a); ok && !strings.ContainsAny(a, `?"(;%`) && cc.Has(DirNoStore) != d.Has(DirNoStore) {
			t.Fatalf("%q: %q, as Cache-Control %q", a, says(&d), says(cc))
		}
	})
}
