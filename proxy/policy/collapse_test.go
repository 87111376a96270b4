package policy

import "testing"

func TestCollapsible(t *testing.T) {
	for lines, want := range map[string]bool{
		"":                                 true,
		"Accept: a":                        true,
		"Authorization: a":                 true,
		`If-None-Match: "a"`:               true,
		"Range: bytes=0-1":                 true,
		"Cache-Control: max-age=1":         true,
		"Cache-Control: min-fresh=5":       true,
		"Cache-Control: max-stale":         true,
		"Cache-Control: no-cache":          false,
		"Pragma: no-cache":                 false,
		"Cache-Control: no-store":          false,
		"Cache-Control: max-age=0":         false,
		`Range: bytes=0-1 | If-Range: "a"`: false,
	} {
		req, _ := request(lines)
		if got := Collapsible(req); got != want {
			t.Errorf("%q: %v, want %v", lines, got, want)
		}
	}
}

func TestUnshareable(t *testing.T) {
	for _, row := range []struct {
		status              int
		why                 Reason
		likely, credentials bool
	}{
		{200, ReasonNoStore, true, false},
		{200, ReasonPrivate, true, false},
		{200, ReasonVaryStar, true, false},
		{200, ReasonNoFreshness, true, false},
		{200, ReasonCookie, true, false},
		{200, ReasonIncomplete, true, false},
		{200, ReasonTooLarge, true, false},
		{403, ReasonStatus, true, false},
		{200, ReasonAuthorized, true, true},
		{304, ReasonStatus, false, false},
		{503, ReasonStatus, false, false},
		{500, ReasonNoStore, false, false},
		{502, ReasonAuthorized, false, true},
		{200, ReasonNoRoom, false, false},
		{200, ReasonNone, false, false},
	} {
		likely, credentials := Unshareable(row.status, row.why)
		if likely != row.likely || credentials != row.credentials {
			t.Errorf("%d, %s: %v %v", row.status, row.why, likely, credentials)
		}
	}
}
