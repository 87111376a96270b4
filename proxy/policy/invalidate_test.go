package policy

import (
	"strings"
	"testing"
)

func TestInvalidates(t *testing.T) {
	for _, row := range []struct {
		section, method string
		status          int
		want            bool
	}{
		{"9111 §4.4", "POST", 200, true},
		{"9111 §4.4", "PUT", 204, true},
		{"9111 §4.4", "DELETE", 303, true},
		{"9111 §4.4 unknown method", "FOO", 200, true},
		{"9111 §4.4 error", "POST", 400, false},
		{"9111 §4.4 error", "POST", 500, false},
		{"9111 §4.4 not final", "POST", 103, false},
		{"9111 §4.4 safe", "GET", 200, false},
		{"9111 §4.4 safe", "OPTIONS", 200, false},
	} {
		if got := Invalidates(MethodOf([]byte(row.method)), row.status); got != row.want {
			t.Errorf("%s: %s answered %d: %v, want %v", row.section, row.method, row.status, got, row.want)
		}
	}
}

func TestInvalidated(t *testing.T) {
	const target = "/base/a/b?q=1"
	for _, row := range []struct{ section, fields, want string }{
		{"9111 §4.4 Location", "Location: /x", "/x"},
		{"9111 §4.4 Content-Location", "content-location: /x", "/x"},
		{"9111 §4.4 both", "Location: /x | Content-Location: /y", "/x /y"},
		{"9111 §4.4 both, equal", "Location: /x | Content-Location: /x", "/x"},
		{"9111 §4.4 other fields", "Link: </x>", ""},
		{"9111 §4.4 the target itself", "Location: /base/a/b?q=1", ""},
		{"9110 §4.3.1 absolute", "Location: http://api:8000/x?y", "/x?y"},
		{"9110 §4.3.1 case", "Location: HTTP://API:8000/X", "/X"},
		{"9110 §4.3.1 another host", "Location: http://other:8000/x", ""},
		{"9110 §4.3.1 another port", "Location: http://api/x", ""},
		{"9110 §4.3.1 another scheme", "Location: https://api:8000/x", ""},
		{"9110 §4.3.1 user", "Location: http://u@api:8000/x", ""},
		{"9110 §4.3.1 another kind", "Location: mailto:a@b", ""},
		{"3986 §5.2.2 no path", "Location: http://api:8000", "/"},
		{"3986 §5.2.2 no path", "Location: http://api:8000?x", "/?x"},
		{"3986 §5.2.2 no scheme", "Location: //api:8000/x", "/x"},
		{"3986 §5.2.2 no scheme", "Location: //other/x", ""},
		{"3986 §5.2.3 relative", "Location: c", "/base/a/c"},
		{"3986 §5.2.3 relative", "Location: c/d?e", "/base/a/c/d?e"},
		{"3986 §5.2.4 dots", "Location: ../c", "/base/c"},
		{"3986 §5.2.4 dots", "Location: ./c/./d/..", "/base/a/c/"},
		{"3986 §5.2.4 dots", "Location: ../../../../c", "/c"},
		{"3986 §5.2.4 dots", "Location: /x/../y/.", "/y/"},
		{"3986 §5.2.4 not in queries", "Location: /x?a/../b", "/x?a/../b"},
		{"3986 §5.2.2 query", "Location: ?z", "/base/a/b?z"},
		{"3986 §5.2.2 query, empty", "Location: /x?", "/x?"},
		{"3986 §5.2.2 nothing", "Location:", ""},
		{"3986 §5.2.2 fragment", "Location: #f", ""},
		{"3986 §3.5 fragment", "Location: /x#f", "/x"},
		{"3986 §4.2 colon in a path", "Location: ./a:b", "/base/a/a:b"},
		{"as it is spelt", "Location: /%7Ea|b//c", "/%7Ea|b//c"},
	} {
		if got := strings.Join(Invalidated(target, isAPI, fields(row.fields)), " "); got != row.want {
			t.Errorf("%s: %q: %q, want %q", row.section, row.fields, got, row.want)
		}
	}
}

// isAPI is the Own of http://api:8000.
func isAPI(scheme, authority string) bool {
	return (scheme == "" || scheme == "http") && strings.EqualFold(authority, "api:8000")
}

func TestNewEntryOfPost(t *testing.T) {
	const target = "/a?q"
	for _, row := range []struct {
		section, method, request, response string
		want                               Reason
	}{
		{"9110 §9.3.3", "POST", "Content-Length: 3", "Cache-Control: max-age=60 | Content-Location: /a?q", ReasonNone},
		{"9110 §9.3.3", "POST", "Content-Length: 3", "Expires: @60 | Content-Location: http://api:8000/a?q", ReasonNone},
		{"9110 §9.3.3", "POST", "Content-Length: 3", "Cache-Control: s-maxage=60 | Content-Location: ?q", ReasonNone},
		{"9110 §9.3.3 no freshness", "POST", "X: y", `Cache-Control: public | ETag: "a" | Content-Location: /a?q`, ReasonNoFreshness},
		{"9110 §9.3.3 no Content-Location", "POST", "X: y", "Cache-Control: max-age=60", ReasonMethod},
		{"9110 §9.3.3 no Content-Location", "POST", "X: y", "Cache-Control: max-age=60 | Content-Location:", ReasonMethod},
		{"9110 §9.3.3 another Content-Location", "POST", "X: y", "Cache-Control: max-age=60 | Content-Location: /a", ReasonMethod},
		{"9110 §9.3.3 another origin", "POST", "X: y", "Cache-Control: max-age=60 | Content-Location: http://b/a?q", ReasonMethod},
		{"9110 §9.3.3 POST only", "PUT", "X: y", "Cache-Control: max-age=60 | Content-Location: /a?q", ReasonMethod},
		{"9110 §9.3.3 200 only", "POST", "X: y", "201 | Cache-Control: max-age=60 | Content-Location: /a?q", ReasonMethod},
		{"9111 §3", "POST", "X: y", "Cache-Control: max-age=60, no-store | Content-Location: /a?q", ReasonNoStore},
		{"9111 §3.5", "POST", "Authorization: x", "Cache-Control: max-age=60 | Content-Location: /a?q", ReasonAuthorized},
		{"unkeyed", "POST", "X-HTTP-Method-Override: DELETE", "Cache-Control: max-age=60 | Content-Location: /a?q", ReasonMethod},
	} {
		r, h := request(row.method + " | " + row.request)
		e, why := defaults.NewEntryOfPost([]byte(row.method), target, isAPI, r, h, response(defaults, row.response), atNoon)
		if why != row.want || (e != nil) != (why == ReasonNone) {
			t.Errorf("%s: %s, %q: %v, want %v", row.section, row.method, row.response, why, row.want)
		}
		if get, _ := request("GET"); e != nil && Decide(get, e, at(1)).Action != Serve {
			t.Errorf("%s: GET is not served", row.section)
		}
		if r.Method != Unsafe {
			t.Errorf("%s: the request changed", row.section)
		}
	}
}

func FuzzInvalidated(f *testing.F) {
	f.Add("/a/b?q", "../c#d")
	f.Add("/", "//API:8000/x?y")
	f.Add("/a", "?")
	f.Fuzz(func(t *testing.T, target, location string) {
		if strings.ContainsAny(location, "\r\n") || !strings.HasPrefix(target, "/") || strings.Contains(target, "#") {
			return
		}
		for _, found := range Invalidated(target, isAPI, fieldsAsTheyAre("Location: "+location)) {
			if !strings.HasPrefix(found, "/") || strings.Contains(found, "#") {
				t.Fatalf("%q from %q: %q", location, target, found)
			}
			if again, ok := resolve(target, "http://api:8000"+found, isAPI); !ok || again != found {
				t.Fatalf("%q from %q: %q, that is %q", location, target, found, again)
			}
		}
	})
}
