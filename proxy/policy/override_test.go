package policy

import (
	"testing"
	"time"
)

// TestOverride: rows are of a rule that overrides, with what it says as a Cache-Control would.
func TestOverride(t *testing.T) {
	for _, row := range []struct {
		override, request, response string
		why                         Reason
		lifetime, swr, sie          int // seconds
	}{
		{"max-age=60", "GET", "Cache-Control: no-store", ReasonNone, 60, 0, 0},
		{"max-age=60", "GET", "Cache-Control: no-cache, no-store, max-age=0", ReasonNone, 60, 0, 0},
		{"max-age=60", "GET", "Cache-Control: max-age=3600 | Expires: @9000", ReasonNone, 60, 0, 0},
		{"max-age=60", "GET", "Expires: @9000", ReasonNone, 60, 0, 0},
		{"max-age=60", "GET", "200", ReasonNone, 60, 0, 0},
		{"max-age=0", "GET", `Cache-Control: max-age=9 | ETag: "a"`, ReasonNone, 0, 0, 0},
		{"max-age=60", "GET", "Nearside-Cache-Control: no-store", ReasonNone, 60, 0, 0},
		{"max-age=60", "GET", "Cache-Control: private", ReasonPrivate, 0, 0, 0},
		{"max-age=60", "GET", "Cache-Control: max-age=5 | Set-Cookie: a=b", ReasonCookie, 0, 0, 0},
		{"max-age=60", "GET", "Cache-Control: max-age=5 | Vary: *", ReasonVaryStar, 0, 0, 0},
		{"max-age=60", "GET | Authorization: x", "Cache-Control: no-store", ReasonAuthorized, 0, 0, 0},
		{"max-age=60", "GET | Authorization: x", "Cache-Control: public, max-age=5", ReasonNone, 60, 0, 0},
		{"max-age=60", "GET | Authorization: x", "Cache-Control: s-maxage=5", ReasonNone, 60, 0, 0},
		{"max-age=60", "GET", "500 | Cache-Control: no-store", ReasonNoStore, 0, 0, 0},
		{"max-age=60", "GET", "405 | Cache-Control: no-store", ReasonNoStore, 0, 0, 0},
		{"max-age=60", "GET", "404 | Cache-Control: no-store", ReasonNone, 7, 0, 0}, // STATUS_TTL=404:7s
		{"max-age=60", "GET", "503 | Cache-Control: no-store", ReasonNone, 1, 0, 0}, // STATUS_TTL=503:1s
		{"max-age=60", "GET", "Cache-Control: max-age=5, stale-while-revalidate=3", ReasonNone, 60, 3, 0},
		{"stale-while-revalidate=9", "GET", "Cache-Control: max-age=5, must-revalidate, stale-while-revalidate=3", ReasonNone, 5, 9, 0},
		{"stale-if-error=9", "GET", "Cache-Control: max-age=5, proxy-revalidate", ReasonNone, 5, 0, 9},
		{"stale-if-error=9", "GET", "Cache-Control: no-store", ReasonNoStore, 0, 0, 0},
		{"max-age=60, stale-while-revalidate=8, stale-if-error=9", "GET", "Cache-Control: no-store, must-revalidate", ReasonNone, 60, 8, 9},
	} {
		c := withStatusTTL(t, "404:7s,503:1s")
		c.DefaultTTL = 0
		c.Override.Add([]byte(row.override))
		r, h := request(row.request)
		e, why := c.NewEntry(r, h, response(c, row.response), atNoon)
		if why != row.why {
			t.Errorf("%s over %q to %q: %v, want %v", row.override, row.response, row.request, why, row.why)
			continue
		}
		want := [...]int{row.lifetime, row.swr, row.sie}
		if e == nil {
			continue
		}
		if got := [...]int{seconds(e.Lifetime), seconds(e.StaleWhileRevalidate), seconds(e.StaleIfError)}; got != want {
			t.Errorf("%s over %q: %v, want %v", row.override, row.response, got, want)
		}
	}
}

func seconds(d time.Duration) int { return int(d / time.Second) }
