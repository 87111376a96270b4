package policy

import "time"

// ParseDate reads an HTTP-date in any of its three formats (RFC 9110 §5.6.7), the names of days and months
// in any case. ok is false for anything else. now settles the century of a two-digit year.
func ParseDate(b []byte, now time.Time) (t time.Time, ok bool) {
	if len(b) < 24 || len(b) > 40 {
		return t, false
	}
	s := string(b)
	if len(s) == len(imfFixdate) && s[3] == ',' {
		t, err := time.Parse(imfFixdate, s)
		return t, err == nil
	}
	if t, err := time.Parse(rfc850, s); err == nil {
		return century(t, now), true
	}
	t, err := time.Parse(time.ANSIC, s)
	return t, err == nil
}

// time.Parse reads names in any case, but the zone as it stands here.
const (
	imfFixdate = "Mon, 02 Jan 2006 15:04:05 GMT"
	rfc850     = "Monday, 02-Jan-06 15:04:05 GMT"
)

// century puts a two-digit year into the century around now: a date that would be more than 50 years
// ahead is in the past.
func century(t, now time.Time) time.Time {
	if t.Year() < 2000 {
		t = t.AddDate(100, 0, 0) // time.Parse's own choice
	}
	for t.After(now.AddDate(50, 0, 0)) {
		t = t.AddDate(-100, 0, 0)
	}
	return t
}

// AppendDate appends t as an IMF-fixdate.
func AppendDate(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, imfFixdate)
}
