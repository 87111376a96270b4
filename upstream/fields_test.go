package upstream

import (
	"strings"
	"testing"
)

func endToEnd(dst, header []byte) ([]byte, error) {
	dst, err := appendFields(dst, header, nil)
	if err != nil {
		return dst, err
	}
	return dst, nil
}

func TestEndToEnd(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"kept as they came", "b: 1|A:2|b:  3 |X_y: ü|Empty:", "b: 1|A:2|b:  3 |X_y: ü|Empty:"},
		{"hop by hop", "A: 1|Connection: close|Keep-Alive: 5|proxy-connection: x|TE: trailers|Trailer: x|Upgrade: h2c|HTTP2-Settings: x|Proxy-Authorization: x|Proxy-Authenticate: x|Proxy-Authentication-Info: x|Transfer-Encoding: gzip|B: 2", "A: 1|B: 2"},
		{"made anew", "Host: x|Content-Length: 3|Expect: 100-continue|A: 1", "A: 1"},
		{"named by Connection", "X-One: 1|x-two: 2|Connection: x-ONE , ,X-Two|A: 1|X-One: 3", "A: 1"},
		{"named by the second Connection", "X-One: 1|Connection: close|Connection: x-one|A: 1", "A: 1"},
		{"names that only begin alike", "Connection-Id: 1|TEA: 2|Hosts: 3|Upgrade-Insecure-Requests: 1|Connection: upgrade", "Connection-Id: 1|TEA: 2|Hosts: 3|Upgrade-Insecure-Requests: 1"},
	} {
		got, err := endToEnd([]byte("dst|"), header(strings.Split(c.in, "|")...))
		if want := "dst|" + string(header(strings.Split(c.want, "|")...)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, want)
		}
	}
}

func TestEndToEndRefuses(t *testing.T) {
	for _, in := range []string{
		"A", "A: 1", "A: 1\n", "A: 1\r", "\r\n", ": 1\r\n", "A : 1\r\n", " A: 1\r\n", "A: 1\r\n folded\r\n",
		"A\tb: 1\r\n", "A: 1\rB: 2\r\n", "A: \x00\r\n", "A: \x7f\r\n", "Ä: 1\r\n", "A: 1\r\n\r\nB: 2\r\n", "A: 1\nB: 2\r\n",
		"Connection: " + strings.Repeat("x,", 100) + "\r\n",
	} {
		if got, err := endToEnd(nil, []byte(in)); kindOf(err) != "bad-request" {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func FuzzEndToEnd(f *testing.F) {
	f.Add("A: 1\r\nConnection: a\r\n")
	f.Add("A : 1\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		out, err := endToEnd(nil, []byte(in))
		if err != nil {
			return
		}
		again, err := endToEnd(nil, out)
		if err != nil || string(again) != string(out) {
			t.Fatalf("not stable: %q, %q, %v", out, again, err)
		}
		for rest := out; len(rest) > 0; {
			name, _, size, ok := cutField(rest)
			if !ok || hopByHop(name) || madeAnew(name) {
				t.Fatalf("sent upstream: %q", rest)
			}
			rest = rest[size:]
		}
	})
}
