package policy

import (
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// Directive is a set of cache directives (RFC 9111 §5.2 and RFC 5861).
type Directive uint32

// The directives that mean something to a shared cache.
const (
	DirMaxAge Directive = 1 << iota
	DirSMaxAge
	DirMaxStale
	DirMinFresh
	DirStaleWhileRevalidate
	DirStaleIfError
	DirNoCache // without field names
	DirNoStore
	DirPrivate // without field names
	DirPublic
	DirMustRevalidate
	DirProxyRevalidate
	DirMustUnderstand
	DirNoTransform
	DirOnlyIfCached
	DirNoCacheFields // no-cache="…"
	DirPrivateFields // private="…"
)

// Directives is what the Cache-Control lines of one message say, taken together. A directive that
// appears more than once counts in its strictest reading.
type Directives struct {
	Set Directive

	// Durations of the directives in Set. An argument that is missing or is no delta-seconds (§1.2.2)
	// reads as 0, so that what is unusable makes stale, never fresh; one that is too large saturates.
	MaxAge, SMaxAge, MaxStale, MinFresh, StaleWhileRevalidate, StaleIfError time.Duration

	// NoCacheNames and PrivateNames are the field names of the qualified forms (§5.2.2.4, §5.2.2.7), as
	// they stand in the argument.
	NoCacheNames, PrivateNames []string
}

// Has tells whether any of the directives in set is present.
func (d *Directives) Has(set Directive) bool { return d.Set&set != 0 }

// Forever is the largest delta-seconds that is kept (§1.2.2: 2^31 seconds), about 68 years.
const Forever = (1 << 31) * time.Second

// Add takes in one line's value.
func (d *Directives) Add(value []byte) {
	for len(value) > 0 {
		var name, arg []byte
		var hasArg, ok bool
		name, arg, hasArg, ok, value = nextDirective(value)
		if len(name) > 0 {
			d.add(name, arg, hasArg, ok)
		}
	}
}

// add takes in one directive. ok is false when the argument is not well formed.
func (d *Directives) add(name, arg []byte, hasArg, ok bool) {
	switch len(name) {
	case 6:
		if tiers.EqualFold(name, "public") {
			d.Set |= DirPublic
		}
	case 7:
		d.addLen7(name, arg, hasArg, ok)
	case 8:
		switch {
		case tiers.EqualFold(name, "no-store"):
			d.Set |= DirNoStore
		case tiers.EqualFold(name, "no-cache"):
			d.fields(DirNoCache, DirNoCacheFields, &d.NoCacheNames, arg, hasArg && ok)
		case tiers.EqualFold(name, "s-maxage"):
			d.shortest(DirSMaxAge, &d.SMaxAge, arg, ok)
		}
	case 9:
		switch {
		case tiers.EqualFold(name, "max-stale"):
			d.maxStale(arg, hasArg, ok)
		case tiers.EqualFold(name, "min-fresh"):
			d.longest(DirMinFresh, &d.MinFresh, arg, ok)
		}
	default:
		d.addLong(name, arg, ok)
	}
}

func (d *Directives) addLen7(name, arg []byte, hasArg, ok bool) {
	switch {
	case tiers.EqualFold(name, "max-age"):
		d.shortest(DirMaxAge, &d.MaxAge, arg, ok)
	case tiers.EqualFold(name, "private"):
		d.fields(DirPrivate, DirPrivateFields, &d.PrivateNames, arg, hasArg && ok)
	}
}

func (d *Directives) addLong(name, arg []byte, ok bool) {
	switch {
	case tiers.EqualFold(name, "must-revalidate"):
		d.Set |= DirMustRevalidate
	case tiers.EqualFold(name, "proxy-revalidate"):
		d.Set |= DirProxyRevalidate
	case tiers.EqualFold(name, "must-understand"):
		d.Set |= DirMustUnderstand
	case tiers.EqualFold(name, "no-transform"):
		d.Set |= DirNoTransform
	case tiers.EqualFold(name, "only-if-cached"):
		d.Set |= DirOnlyIfCached
	case tiers.EqualFold(name, "stale-while-revalidate"):
		d.shortest(DirStaleWhileRevalidate, &d.StaleWhileRevalidate, arg, ok)
	case tiers.EqualFold(name, "stale-if-error"):
		d.shortest(DirStaleIfError, &d.StaleIfError, arg, ok)
	}
}

// shortest keeps the smallest of repeated arguments: the strictest reading of a lifetime.
func (d *Directives) shortest(bit Directive, to *time.Duration, arg []byte, ok bool) {
	v := deltaSeconds(arg, ok)
	if d.Set&bit == 0 || v < *to {
		*to = v
	}
	d.Set |= bit
}

// longest keeps the largest of repeated arguments: the strictest reading of a demand.
func (d *Directives) longest(bit Directive, to *time.Duration, arg []byte, ok bool) {
	*to = max(*to, deltaSeconds(arg, ok))
	d.Set |= bit
}

// maxStale allows any staleness when it has no argument (§5.2.1.2), and none when it has a bad one.
func (d *Directives) maxStale(arg []byte, hasArg, ok bool) {
	if hasArg {
		d.shortest(DirMaxStale, &d.MaxStale, arg, ok)
		return
	}
	if d.Set&DirMaxStale == 0 {
		d.MaxStale = Forever
	}
	d.Set |= DirMaxStale
}

// fields takes in a directive that may be qualified by field names. Without usable names it means the
// unqualified form, the stricter one.
func (d *Directives) fields(whole, qualified Directive, names *[]string, arg []byte, hasArg bool) {
	n := len(*names)
	if hasArg {
		for len(arg) > 0 {
			var name []byte
			name, arg = cutComma(arg)
			if name = tiers.TrimSpace(name); len(name) > 0 {
				*names = append(*names, string(name))
			}
		}
	}
	if len(*names) > n {
		d.Set |= qualified
	} else {
		d.Set |= whole
	}
}

// nextDirective splits off the first member of a directive list. ok is false when the argument is neither
// a token nor a quoted string. A comma inside a quoted string does not end the member, so that nothing
// in there is taken for a directive.
func nextDirective(b []byte) (name, arg []byte, hasArg, ok bool, rest []byte) {
	i := 0
	for i < len(b) && (b[i] == ',' || isSpace(b[i])) {
		i++
	}
	b = b[i:]
	i = 0
	for i < len(b) && b[i] != ',' && b[i] != '=' {
		i++
	}
	name = tiers.TrimSpace(b[:i])
	spaced := len(name) != i
	if i == len(b) || b[i] == ',' {
		return name, nil, false, true, b[min(i+1, len(b)):]
	}
	arg, ok, rest = argument(b[i+1:])
	return name, arg, true, ok && !spaced, rest
}

// argument reads what follows the equals sign, up to the comma that ends the member.
func argument(b []byte) (arg []byte, ok bool, rest []byte) {
	if len(b) > 0 && b[0] == '"' {
		end, closed := quotedEnd(b)
		arg = b[1:end]
		after := end
		if closed {
			after++
		}
		tail, rest := cutComma(b[after:])
		return arg, closed && len(tiers.TrimSpace(tail)) == 0, rest
	}
	arg, rest = cutComma(b)
	trimmed := tiers.TrimSpace(arg)
	ok = len(trimmed) > 0 && (len(arg) == 0 || !isSpace(arg[0]))
	return trimmed, ok, rest
}

// quotedEnd returns the index of the closing quote of the quoted string that b begins with, or of b's end.
func quotedEnd(b []byte) (end int, closed bool) {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i, true
		}
	}
	return len(b), false
}

func cutComma(b []byte) (before, after []byte) {
	for i, c := range b {
		if c == ',' {
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// deltaSeconds reads a delta-seconds (§1.2.2).
func deltaSeconds(b []byte, ok bool) time.Duration {
	n, valid := parseDelta(b)
	if !ok || !valid {
		return 0
	}
	return n
}

func parseDelta(b []byte) (time.Duration, bool) {
	if len(b) == 0 {
		return 0, false
	}
	var n time.Duration
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n < 1<<31 {
			n = n*10 + time.Duration(c-'0')
		}
	}
	return min(n*time.Second, Forever), true
}
