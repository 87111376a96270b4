package policy

import (
	"testing"

	"github.com/nearside-cache/nearside/tiers"
)

// typicalRequest is what an HTTP library sends to an API.
func typicalRequest() tiers.Header {
	return tiers.Header("Host: localhost:8080\r\nUser-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
		"Accept: application/json, text/plain;q=0.9, */*;q=0.8\r\nAccept-Language: en-GB,en;q=0.5\r\nConnection: keep-alive\r\n" +
		"Authorization: Bearer 0123456789abcdef\r\nX-Request-ID: 7f3a\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n" +
		"Cache-Control: max-age=300\r\n")
}

func read(r *Request, h tiers.Header) {
	r.Reset(Get)
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		r.Add(n, v)
	}
}

func BenchmarkRequest(b *testing.B) {
	h := typicalRequest()
	var r Request
	b.ReportAllocs()
	for b.Loop() {
		read(&r, h)
	}
}

func BenchmarkDecide(b *testing.B) {
	e := stored(b, defaults, "GET", `Cache-Control: max-age=600 | ETag: "a"`, "")
	var r Request
	read(&r, typicalRequest())
	b.ReportAllocs()
	for b.Loop() {
		Decide(&r, e, at(1))
	}
}

func BenchmarkVariant(b *testing.B) {
	h := typicalRequest()
	dst := make([]byte, 0, 256)
	for _, vary := range []string{"accept-encoding", "accept,accept-encoding,accept-language", "origin"} {
		b.Run(vary, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dst = defaults.AppendVariant(dst[:0], vary, h)
			}
		})
	}
}

func BenchmarkNewEntry(b *testing.B) {
	h := tiers.Header("Date: Mon, 23 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json\r\nCache-Control: public, max-age=60, stale-while-revalidate=30\r\n" +
		"ETag: \"33a64df5\"\r\nLast-Modified: Mon, 23 Nov 2026 10:00:00 GMT\r\nVary: Accept-Encoding, Origin\r\nServer: nginx\r\n")
	r, header := request("Accept-Encoding: gzip")
	b.ReportAllocs()
	for b.Loop() {
		x := defaults.ReadResponse(200, h)
		if e, why := defaults.NewEntry(r, header, &x, atNoon); e == nil {
			b.Fatal(why)
		}
	}
}

func BenchmarkParseDate(b *testing.B) {
	for _, s := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"} {
		b.Run(s[:8], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ParseDate([]byte(s), noon)
			}
		})
	}
}
