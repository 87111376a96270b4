package policy

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestParseDate(t *testing.T) {
	const want = "Sun, 06 Nov 1994 08:49:37 GMT"
	for _, row := range []struct{ section, value, want string }{
		{"9110 §5.6.7 IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", want},
		{"9110 §5.6.7 RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT", want},
		{"9110 §5.6.7 asctime", "Sun Nov  6 08:49:37 1994", want},
		{"9110 §5.6.7 asctime", "Sun Nov 16 08:49:37 1994", "Wed, 16 Nov 1994 08:49:37 GMT"},
		{"9111 §4.2 case", "sun, 06 NOV 1994 08:49:37 gmt", want},
		{"9111 §4.2 case", "SUNDAY, 06-nov-94 08:49:37 Gmt", want},
		{"9111 §4.2 case", "SUN NOV  6 08:49:37 1994", want},
		{"9110 §5.6.7 another day's name", "Mon, 06 Nov 1994 08:49:37 GMT", want},
		{"9110 §5.6.7 leap second", "Sat, 31 Dec 2016 23:59:60 GMT", "Sat, 31 Dec 2016 23:59:59 GMT"},
		{"9110 §5.6.7 leap day", "Tue, 29 Feb 2000 00:00:00 GMT", "Tue, 29 Feb 2000 00:00:00 GMT"},
		{"9110 §5.6.7 no leap day", "Thu, 29 Feb 1900 00:00:00 GMT", ""},
		{"9110 §5.6.7 far", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"},
		{"9110 §5.6.7 50 years", "Monday, 23-Nov-76 11:59:59 GMT", "Mon, 23 Nov 2076 11:59:59 GMT"},
		{"9110 §5.6.7 50 years", "Monday, 23-Nov-76 12:00:00 GMT", "Mon, 23 Nov 2076 12:00:00 GMT"},
		{"9110 §5.6.7 50 years", "Tuesday, 23-Nov-76 12:00:01 GMT", "Tue, 23 Nov 1976 12:00:01 GMT"},
		{"9110 §5.6.7 50 years", "Sunday, 01-Jan-00 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"},
		{"9110 §5.6.7 50 years", "Sunday, 01-Jan-99 00:00:00 GMT", "Fri, 01 Jan 1999 00:00:00 GMT"},
		{"9110 §5.6.7 leap day of 2 digits", "Tuesday, 29-Feb-00 00:00:00 GMT", "Tue, 29 Feb 2000 00:00:00 GMT"},
		{"9111 §5.3 invalid", "0", ""},
		{"9111 §5.3 invalid", "-1", ""},
		{"9111 §5.3 invalid", "", ""},
		{"9111 §5.3 invalid", "now", ""},
		{"9111 §5.3 invalid", "1994-11-06T08:49:37Z", ""},
		{"9111 §4.2 zone", "Sun, 06 Nov 1994 08:49:37 UTC", ""},
		{"9111 §4.2 zone", "Sun, 06 Nov 1994 08:49:37 EST", ""},
		{"9111 §4.2 zone", "Sun, 06 Nov 1994 08:49:37 +0000", ""},
		{"9111 §4.2 zone", "Sun, 06 Nov 1994 08:49:37", ""},
		{"9110 §5.6.7 form", "Sun 06 Nov 1994 08:49:37 GMT", ""},
		{"9110 §5.6.7 form", "Sun,06 Nov 1994 08:49:37 GMT", ""},
		{"9110 §5.6.7 form", "Sun,  06 Nov 1994 08:49:37 GMT", ""},
		{"9110 §5.6.7 form", "Sun, 6 Nov 1994 08:49:37 GMT", ""},
		{"9110 §5.6.7 form", "Sun, 06 Nov 94 08:49:37 GMT", ""},
		{"9110 §5.6.7 form", "Sun, 06-Nov-1994 08:49:37 GMT", ""},
		{"9110 §5.6.7 form", "Sun, 06 Nov 1994 8:49:37 GMT", ""},
		{"9110 §5.6.7 form", "Sun, 06 Nov 1994 08.49.37 GMT", ""},
		{"9110 §5.6.7 form", "Sun, 06 Nov 1994 08:49 GMT", ""},
		{"9110 §5.6.7 form", "Sun, 06 Nov 19", ""},
		{"9110 §5.6.7 form", "Sun, 06 Nov 1994 08:49:37.5 GMT", ""},
		{"9110 §5.6.7 form", "Sun, 06 Nov 1994 08:49:37 GMT ", ""},
		{"9110 §5.6.7 form", "Sun, 06 November 1994 08:49:37 GMT", ""},
		{"9110 §5.6.7 form", "Sund, 06 Nov 1994 08:49:37 GMT", ""},
		{"9110 §5.6.7 form", "Sunday, 06 Nov 1994 08:49:37 GMT", ""},
		{"9110 §5.6.7 form", "Sunday, 06-Nov-1994 08:49:37 GMT", ""},
		{"9110 §5.6.7 form", "Sun Nov 6 08:49:37 1994", ""},
		{"9110 §5.6.7 form", "Sun Nov  6 08:49:37 1994 GMT", ""},
		{"9110 §5.6.7 range", "Sun, 31 Nov 1994 08:49:37 GMT", ""},
		{"9110 §5.6.7 range", "Sun, 00 Nov 1994 08:49:37 GMT", ""},
		{"9110 §5.6.7 range", "Sun, 06 Nov 1994 24:00:00 GMT", ""},
		{"9110 §5.6.7 range", "Sun, 06 Nov 1994 08:60:00 GMT", ""},
		{"9110 §5.6.7 range", "Sun, 06 Nov 1994 08:49:61 GMT", ""},
	} {
		got := ""
		if d, ok := ParseDate([]byte(row.value), noon); ok {
			got = string(AppendDate(nil, d))
		}
		if got != row.want {
			t.Errorf("%s: %q is %q, want %q", row.section, row.value, got, row.want)
		}
	}
}

func FuzzDate(f *testing.F) {
	for _, v := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "0"} {
		f.Add([]byte(v), int64(1e9))
	}
	f.Fuzz(func(t *testing.T, b []byte, unix int64) {
		now := time.Unix(unix%4e10, 0).UTC()
		d, ok := ParseDate(b, now)
		if !ok {
			return
		}
		for _, form := range []string{imfFixdate, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
			text := d.AppendFormat(nil, form)
			again, ok := ParseDate(text, now)
			if form[6] == ',' && (d.After(now.AddDate(50, 0, 0)) || !d.After(now.AddDate(-49, 0, 0))) {
				continue // two digits cannot say it
			}
			if !ok || !again.Equal(d) {
				t.Fatalf("%q is %v; written as %q it is %v", b, d, text, again)
			}
		}
		// The standard library reads the same, where it reads at all.
		if std, err := time.Parse(imfFixdate, string(b)); err == nil && !std.Equal(d) {
			t.Fatalf("%q is %v, time.Parse says %v", b, d, std)
		}
		for _, other := range [][]byte{bytes.ToUpper(b), bytes.ToLower(b)} {
			if again, ok := ParseDate(other, now); !ok || !again.Equal(d) {
				t.Fatalf("%q is %v, %q is not", b, d, other)
			}
		}
		if _, ok := ParseDate(append(b[:len(b):len(b)], ' '), now); ok {
			t.Fatalf("%q with a space is a date too", strings.TrimSpace(string(b)))
		}
	})
}
