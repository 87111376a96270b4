//go:build !race

package policy

import "testing"

// TestNoAllocation: what each request costs in memory is nothing.
func TestNoAllocation(t *testing.T) {
	header := typicalRequest()
	var r Request
	entry := stored(t, defaults, "GET", `Cache-Control: max-age=60, stale-while-revalidate=9 | ETag: "a" | Vary: Accept-Encoding`, "0123456789")
	part := stored(t, defaults, "GET", partly+"bytes 2-5/9", "2345")
	ranged, rangedHeader := request("Range: bytes=2-4")
	scratch := make([]byte, 0, 256)
	conditional := fields(`If-None-Match: "x", W/"a"`)
	dated := fields("If-Modified-Since: @0")
	for _, row := range []struct {
		what string
		run  func()
	}{
		{"Request.Add", func() { read(&r, header) }},
		{"Decide, fresh", func() { Decide(&r, entry, at(1)) }},
		{"Decide, stale", func() { Decide(&r, entry, at(61)) }},
		{"Decide, nothing stored", func() { Decide(&r, nil, at(1)) }},
		{"Decide, a part", func() { Decide(ranged, part, at(1)) }},
		{"StandIn", func() { StandIn(&r, entry, at(61)) }},
		{"Answer", func() { ranged.Answer(rangedHeader, entry, noon) }},
		{"AppendVariant, Accept-Encoding", func() { scratch = defaults.AppendVariant(scratch[:0], "accept-encoding", header) }},
		{"AppendVariant, several", func() {
			scratch = defaults.AppendVariant(scratch[:0], "accept,accept-encoding,accept-language,origin,user-agent", header)
		}},
		{"NotModified by tag", func() { NotModified(&Request{Cond: IfNoneMatch}, conditional, entry, noon) }},
		{"NotModified by date", func() { NotModified(&Request{Cond: IfModifiedSince}, dated, entry, noon) }},
		{"AppendContentRange", func() { scratch = AppendContentRange(scratch[:0], Span{5, 10, 20}) }},
		{"Bypasses", func() { defaults.Bypasses([]byte("X-Request-ID")) }},
	} {
		if n := testing.AllocsPerRun(100, row.run); n != 0 {
			t.Errorf("%s: %v allocations", row.what, n)
		}
	}
}
