package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// says writes what d holds, in one order.
func says(d *Directives) string {
	var out []string
	for _, x := range []struct {
		bit  Directive
		name string
		arg  time.Duration
	}{
		{DirMaxAge, "max-age", d.MaxAge}, {DirSMaxAge, "s-maxage", d.SMaxAge}, {DirMaxStale, "max-stale", d.MaxStale},
		{DirMinFresh, "min-fresh", d.MinFresh}, {DirStaleWhileRevalidate, "swr", d.StaleWhileRevalidate}, {DirStaleIfError, "sie", d.StaleIfError},
		{DirNoCache, "no-cache", -1}, {DirNoStore, "no-store", -1}, {DirPrivate, "private", -1}, {DirPublic, "public", -1},
		{DirMustRevalidate, "must-revalidate", -1}, {DirProxyRevalidate, "proxy-revalidate", -1}, {DirMustUnderstand, "must-understand", -1},
		{DirNoTransform, "no-transform", -1}, {DirOnlyIfCached, "only-if-cached", -1},
	} {
		switch {
		case !d.Has(x.bit):
		case x.arg < 0:
			out = append(out, x.name)
		case x.arg == Forever:
			out = append(out, x.name+"=forever")
		default:
			out = append(out, fmt.Sprintf("%s=%d", x.name, x.arg/time.Second))
		}
	}
	if d.Has(DirNoCacheFields) {
		out = append(out, fmt.Sprint("no-cache", d.NoCacheNames))
	}
	if d.Has(DirPrivateFields) {
		out = append(out, fmt.Sprint("private", d.PrivateNames))
	}
	return strings.Join(out, " ")
}

func directives(values ...string) *Directives {
	var d Directives
	for _, v := range values {
		d.Add([]byte(v))
	}
	return &d
}

func TestDirectives(t *testing.T) {
	for _, row := range []struct{ section, value, want string }{
		// One value; "\n" separates field lines.
		{"9111 §5.2", ``, ``},
		{"9111 §5.2", `max-age=60`, `max-age=60`},
		{"9111 §5.2 case", `MAX-Age=60, No-Store`, `max-age=60 no-store`},
		{"9111 §5.2 both forms", `max-age="60"`, `max-age=60`},
		{"9111 §5.2 both forms", `s-maxage="60" , public`, `s-maxage=60 public`},
		{"9111 §5.2.3 extensions", `foo, bar=1, baz="x", max-age=60`, `max-age=60`},
		{"9111 §5.2.3 extensions", `immutable, xmax-age=60, max-agex=60`, ``},
		{"9110 §5.6.1.2 empty members", `, ,max-age=60,, public,`, `max-age=60 public`},
		{"9110 §5.2 lines", "max-age=60\npublic", `max-age=60 public`},
		{"9110 §5.6.4 in quotes", `foo="max-age=60"`, ``},
		{"9110 §5.6.4 in quotes", `foo="a, max-age=60", public`, `public`},
		{"9110 §5.6.4 in quotes", `foo="a\", max-age=60", public`, `public`},
		{"9110 §5.6.4 in quotes", `foo="a\\", max-age=60`, `max-age=60`},
		{"9110 §5.6.4 in quotes", `"a, max-age=60, b"`, ``},
		{"9110 §5.6.4 in quotes", `foo "a, max-age=60, b", public`, `public`},
		{"9110 §5.6.4 in quotes", `foo=x"a, max-age=60, b"`, ``},
		{"9110 §5.6.4 never closed", `foo="bar, no-store`, `no-store`},
		{"9110 §5.6.4 never closed", `foo="bar\", private`, `private`},
		{"9110 §5.6.4 never closed", `max-age="60, no-store`, `max-age=0 no-store`},
		{"9111 §1.2.2 leading zeros", `max-age=0060`, `max-age=60`},
		{"9111 §1.2.2 2^31", `max-age=2147483647`, `max-age=2147483647`},
		{"9111 §1.2.2 2^31", `max-age=2147483648`, `max-age=forever`},
		{"9111 §1.2.2 saturates", `max-age=9223372037`, `max-age=forever`},
		{"9111 §1.2.2 saturates", `max-age=9999999999`, `max-age=forever`},
		{"9111 §1.2.2 saturates", `max-age=21474836479`, `max-age=forever`},
		{"9111 §1.2.2 saturates", `max-age=99999999999999999999999999999999`, `max-age=forever`},
		{"9111 §4.2.1 unusable", `max-age`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age=`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age=""`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age=-1`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age=+1`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age=60.5`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age=60s`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age=s60`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age='60'`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age="60`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age="60"0`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age="6\0"`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age =60`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age= 60`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age=6 0`, `max-age=0`},
		{"9111 §4.2.1 unusable", `max-age=60;x`, `max-age=0`},
		{"9111 §4.2.1 unusable", `s-maxage=x, max-age=60`, `max-age=60 s-maxage=0`},
		{"9111 §4.2.1 repeated", `max-age=60, max-age=1`, `max-age=1`},
		{"9111 §4.2.1 repeated", `max-age=1, max-age=60`, `max-age=1`},
		{"9111 §4.2.1 repeated", "max-age=60\nmax-age=x", `max-age=0`},
		{"9111 §4.2.1 repeated", "s-maxage=60\ns-maxage=30", `s-maxage=30`},
		{"5861 §3 repeated", `stale-while-revalidate=9, stale-while-revalidate=3`, `swr=3`},
		{"5861 §3", `max-age=1, Stale-While-Revalidate="9"`, `max-age=1 swr=9`},
		{"5861 §4", `stale-if-error=9`, `sie=9`},
		{"5861 §4 unusable", `stale-if-error`, `sie=0`},
		{"9111 §5.2.1.2", `max-stale`, `max-stale=forever`},
		{"9111 §5.2.1.2", `max-stale=5`, `max-stale=5`},
		{"9111 §5.2.1.2 repeated", `max-stale, max-stale=5`, `max-stale=5`},
		{"9111 §5.2.1.2 repeated", `max-stale=5, max-stale`, `max-stale=5`},
		{"9111 §5.2.1.2 unusable", `max-stale=x`, `max-stale=0`},
		{"9111 §5.2.1.3", `min-fresh=5`, `min-fresh=5`},
		{"9111 §5.2.1.3 repeated", `min-fresh=9, min-fresh=5`, `min-fresh=9`},
		{"9111 §5.2.1.3 unusable", `min-fresh=x`, `min-fresh=forever`},
		{"9111 §5.2.1.4", `no-cache`, `no-cache`},
		{"9111 §5.2.1.7", `only-if-cached`, `only-if-cached`},
		{"9111 §5.2.2.2", `must-revalidate`, `must-revalidate`},
		{"9111 §5.2.2.3", `must-understand`, `must-understand`},
		{"9111 §5.2.2.4 with fields", `no-cache="Set-Cookie"`, `no-cache[Set-Cookie]`},
		{"9111 §5.2.2.4 with fields", `no-cache="a, b" , max-age=1`, `max-age=1 no-cache[a b]`},
		{"9111 §5.2.2.4 with fields", `no-cache=a`, `no-cache[a]`},
		{"9111 §5.2.2.4 twice", `no-cache="a", no-cache`, `no-cache no-cache[a]`},
		{"9111 §5.2.2.4 twice", `no-cache="a", no-cache="b"`, `no-cache[a b]`},
		{"9111 §5.2.2.4 no fields", `no-cache=""`, `no-cache`},
		{"9111 §5.2.2.4 no fields", `no-cache=" , "`, `no-cache`},
		{"9111 §5.2.2.4 no fields", `no-cache=`, `no-cache`},
		{"9111 §5.2.2.4 bad fields", `no-cache="a b"`, `no-cache`},
		{"9111 §5.2.2.4 bad fields", `no-cache="a`, `no-cache`},
		{"9111 §5.2.2.4 bad fields", `no-cache="a"b`, `no-cache`},
		{"9111 §5.2.2.7 bad fields", `private="a"b`, `private`},
		{"9111 §5.2.2.5", `no-store`, `no-store`},
		{"9111 §5.2.2.5 with an argument", `no-store="x"`, `no-store`},
		{"9111 §5.2.2.6", `no-transform`, `no-transform`},
		{"9111 §5.2.2.7", `private`, `private`},
		{"9111 §5.2.2.7 with fields", `private="X-User"`, `private[X-User]`},
		{"9111 §5.2.2.7 no fields", `private=""`, `private`},
		{"9111 §5.2.2.8", `proxy-revalidate`, `proxy-revalidate`},
		{"9111 §5.2.2.9", `public`, `public`},
		{"9111 §5.2.2.9 with an argument", `public=x`, ``},
	} {
		if got := says(directives(strings.Split(row.value, "\n")...)); got != row.want {
			t.Errorf("%s: %q says %q, want %q", row.section, row.value, got, row.want)
		}
	}
}

// lifetimes are bounded by what makes nothing fresher: every other reading of a value is at most as permissive.
func permits(d *Directives) (lifetime time.Duration) {
	switch {
	case d.Has(DirNoStore | DirPrivate | DirNoCache):
		return 0
	case d.Has(DirSMaxAge):
		return d.SMaxAge
	case d.Has(DirMaxAge):
		return d.MaxAge
	}
	return Forever
}

func FuzzDirectives(f *testing.F) {
	for _, v := range []string{`max-age=60`, `foo="a, max-age=1"`, `no-cache="a, b", private`, `max-age="60`, `"\"", s-maxage=1`, `max-stale, =, ,`} {
		f.Add(v, `no-store`)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		alone := directives(a)
		for _, d := range []time.Duration{alone.MaxAge, alone.SMaxAge, alone.MaxStale, alone.MinFresh, alone.StaleWhileRevalidate, alone.StaleIfError} {
			if d < 0 || d > Forever {
				t.Fatalf("%q: duration %v", a, d)
			}
		}
		if two, turned := directives(a, b), directives(b, a); permits(two) > permits(alone) && !two.Has(DirSMaxAge) || permits(two) != permits(turned) {
			t.Fatalf("%q then %q: %s, turned: %s", a, b, says(two), says(turned))
		}
		// Whatever stands before it, in a line of its own or behind a comma, a restriction is seen.
		for _, d := range []*Directives{directives(a, "no-store"), directives("no-store," + a)} {
			if !d.Has(DirNoStore) {
				t.Fatalf("%q hides no-store", a)
			}
		}
		if !strings.ContainsAny(a, `"\`) {
			if joined, lines := directives(a+","+b), directives(a, b); says(joined) != says(lines) {
				t.Fatalf("%q, %q: joined %q, as lines %q", a, b, says(joined), says(lines))
			}
			if inside := directives(`x="` + a + `", public`); says(inside) != "public" {
				t.Fatalf("%q in quotes: %q", a, says(inside))
			}
		}
		if up := directives(strings.ToUpper(a)); !strings.ContainsFunc(a, func(r rune) bool { return r > 0x7e }) && up.Set != alone.Set {
			t.Fatalf("%q in capitals: %s, want %s", a, says(up), says(alone))
		}
	})
}
