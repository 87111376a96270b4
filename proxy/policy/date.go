package policy

import (
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// ParseDate reads an HTTP-date in any of its three formats (RFC 9110 §5.6.7), letters in any case (RFC 9111
// §4.2). ok is false for anything else, for days that no calendar has, and for zones other than GMT. now
// settles the century of a two-digit year. The name of the day is read, but need not be that of the date.
func ParseDate(b []byte, now time.Time) (t time.Time, ok bool) {
	p := dateParser{rest: b, ok: true}
	day := p.word()
	short, whole := nameIn(dayNames, day, 3) >= 0, nameIn(dayNames, day, 9) >= 0
	switch {
	case short && p.is(", "): // IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
		return p.imfFixdate()
	case whole && p.is(", "): // RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
		return p.rfc850(now)
	case short && p.is(" "): // asctime: Sun Nov  6 08:49:37 1994
		return p.asctime()
	}
	return t, false
}

var (
	dayNames   = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
	monthNames = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
)

// nameIn returns the place of word in names, of which the first n letters count; -1 when it is not there.
func nameIn(names []string, word []byte, n int) int {
	for i, name := range names {
		if tiers.EqualFold(word, name[:min(n, len(name))]) {
			return i
		}
	}
	return -1
}

// dateParser reads the parts of a date from the front of rest. It stays not ok once something did not fit.
type dateParser struct {
	rest []byte
	ok   bool
}

func (p *dateParser) imfFixdate() (time.Time, bool) {
	d := p.number(2)
	p.want(" ")
	m := p.month()
	p.want(" ")
	y := p.number(4)
	p.want(" ")
	h, m60, s := p.clock()
	p.want(" gmt")
	return p.date(y, m, d, h, m60, s)
}

func (p *dateParser) rfc850(now time.Time) (time.Time, bool) {
	d := p.number(2)
	p.want("-")
	m := p.month()
	p.want("-")
	yy := p.number(2)
	p.want(" ")
	h, m60, s := p.clock()
	p.want(" gmt")
	// A date that would be more than 50 years ahead is the latest one in the past that ends on these digits.
	limit := now.UTC().AddDate(50, 0, 0)
	y := limit.Year()/100*100 + yy
	if time.Date(y, time.Month(m), d, h, m60, s, 0, time.UTC).After(limit) {
		y -= 100
	}
	return p.date(y, m, d, h, m60, s)
}

func (p *dateParser) asctime() (time.Time, bool) {
	m := p.month()
	p.want(" ")
	var d int
	if p.is(" ") {
		d = p.number(1)
	} else {
		d = p.number(2)
	}
	p.want(" ")
	h, m60, s := p.clock()
	p.want(" ")
	y := p.number(4)
	return p.date(y, m, d, h, m60, s)
}

// date makes the time of its parts once all of the text is read.
func (p *dateParser) date(y, m, d, h, m60, s int) (t time.Time, ok bool) {
	if !p.ok || len(p.rest) > 0 || h > 23 || m60 > 59 || s > 60 {
		return t, false
	}
	// A leap second is the second before it: equal or earlier, RFC 9111 §4.2.
	t = time.Date(y, time.Month(m), d, h, m60, min(s, 59), 0, time.UTC)
	return t, t.Day() == d && t.Month() == time.Month(m)
}

func (p *dateParser) clock() (h, m60, s int) {
	h = p.number(2)
	p.want(":")
	m60 = p.number(2)
	p.want(":")
	return h, m60, p.number(2)
}

// word takes the letters at the front.
func (p *dateParser) word() []byte {
	n := 0
	for n < len(p.rest) && 'a' <= p.rest[n]|0x20 && p.rest[n]|0x20 <= 'z' {
		n++
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w
}

// month takes a month's name and returns its number, from 1.
func (p *dateParser) month() int {
	m := nameIn(monthNames, p.word(), 3)
	p.ok = p.ok && m >= 0
	return m + 1
}

// number takes n digits.
func (p *dateParser) number(n int) (v int) {
	if len(p.rest) < n {
		p.ok = false
		return 0
	}
	for _, c := range p.rest[:n] {
		p.ok = p.ok && '0' <= c && c <= '9'
		v = v*10 + int(c-'0')
	}
	p.rest = p.rest[n:]
	return v
}

// want takes s, which is in lower case.
func (p *dateParser) want(s string) { p.ok = p.is(s) && p.ok }

// is takes s, which is in lower case, when it stands at the front.
func (p *dateParser) is(s string) bool {
	if len(p.rest) < len(s) {
		return false
	}
	for i := range len(s) {
		if c := p.rest[i]; c != s[i] && (s[i] < 'a' || c|0x20 != s[i]) {
			return false
		}
	}
	p.rest = p.rest[len(s):]
	return true
}

const imfFixdate = "Mon, 02 Jan 2006 15:04:05 GMT"

// AppendDate appends t as an IMF-fixdate.
func AppendDate(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, imfFixdate)
}
