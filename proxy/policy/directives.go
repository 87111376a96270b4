package policy

import (
	"strings"
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
// appears more than once counts in its strictest reading, which at any moment is one of the two that §4.2.1
// allows: it is the first occurrence, or stale.
type Directives struct {
	Set Directive

	// Durations of the directives in Set. An argument that is missing or is no delta-seconds (§1.2.2)
	// reads as 0, so that what is unusable makes stale, never fresh (for min-fresh that is [Forever]); one
	// that is too large saturates.
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
	members := memberList{rest: value}
	for len(members.rest) > 0 {
		if name, arg, hasArg, ok := members.next(); len(name) > 0 {
			d.add(name, arg, hasArg, ok)
		}
	}
}

// add takes in one directive. ok is false when the argument is not well formed.
func (d *Directives) add(name, arg []byte, hasArg, ok bool) {
	switch len(name) {
	case 6:
		if tiers.EqualFold(name, "public") && !hasArg { // it allows something, so no odd form of it counts
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
	v, valid := parseDelta(arg)
	if !ok || !valid {
		v = Forever
	}
	*to = max(*to, v)
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

// fields takes in a directive that may be qualified by field names. Without names, or with one that is no
// token, it means the unqualified form, the stricter one.
func (d *Directives) fields(whole, qualified Directive, names *[]string, arg []byte, hasArg bool) {
	bit := whole
	for hasArg && len(arg) > 0 {
		var name []byte
		name, arg = cutComma(arg)
		if name = tiers.TrimSpace(name); len(name) == 0 {
			continue
		}
		if !isToken(name) {
			bit = whole
			break
		}
		*names = append(*names, string(name))
		bit = qualified
	}
	d.Set |= bit
}

// memberList is a list of directives that is read from the front. A comma inside a quoted string (RFC 9110
// §5.6.4) does not end a member, so that nothing in there is taken for a directive; a quotation mark that is
// never closed is no more than a character, so that it hides nothing either.
type memberList struct {
	rest []byte
	bare bool // such a mark was met: those behind it are not closed either
}

// next takes the first member. ok is false when the argument is neither a token nor a quoted string.
func (l *memberList) next() (name, arg []byte, hasArg, ok bool) {
	for len(l.rest) > 0 && (l.rest[0] == ',' || isSpace(l.rest[0])) { // empty members, RFC 9110 §5.6.1.2
		l.rest = l.rest[1:]
	}
	raw, end := l.until('=')
	name = tiers.TrimSpace(raw)
	if end != '=' {
		return name, nil, false, true
	}
	arg, ok = l.argument()
	return name, arg, true, ok && len(name) == len(raw)
}

// argument takes what follows the equals sign. Both forms of an argument count, whatever form the directive
// asks for (§5.2).
func (l *memberList) argument() (arg []byte, ok bool) {
	if end := l.quoted(0); end > 0 {
		arg, l.rest = l.rest[1:end], l.rest[end+1:]
		tail, _ := l.until(',')
		return arg, len(tiers.TrimSpace(tail)) == 0
	}
	arg, _ = l.until(',')
	ok = len(arg) > 0 && !isSpace(arg[0])
	return tiers.TrimSpace(arg), ok
}

// until takes all that stands before the first stop or comma outside quoted strings, and that byte, which it
// returns; 0 when there is neither.
func (l *memberList) until(stop byte) (before []byte, end byte) {
	b := l.rest
	for i := 0; i < len(b); i++ {
		if c := b[i]; c == ',' || c == stop {
			l.rest = b[i+1:]
			return b[:i], c
		}
		i = max(i, l.quoted(i))
	}
	l.rest = nil
	return b, 0
}

// quoted returns the index of the closing mark of the quoted string that begins at rest[i], 0 when none does.
func (l *memberList) quoted(i int) int {
	b := l.rest
	if l.bare || i >= len(b) || b[i] != '"' {
		return 0
	}
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	l.bare = true
	return 0
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

// isToken tells whether b is a token (RFC 9110 §5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9', 'a' <= c|0x20 && c|0x20 <= 'z', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return len(b) > 0
}

// deltaSeconds reads a delta-seconds (§1.2.2).
func deltaSeconds(b []byte, ok bool) time.Duration {
	n, valid := parseDelta(b)
	if !ok || !valid {
		return 0
	}
	return n
}

// parseDelta reads a delta-seconds, up to [Forever].
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
	return min(n, 1<<31) * time.Second, true
}
