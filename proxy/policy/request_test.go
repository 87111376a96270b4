package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

func TestMethodOf(t *testing.T) {
	for _, row := range []struct {
		section, method string
		want            Method
	}{
		{"9110 §9.3.1", "GET", Get},
		{"9110 §9.3.2", "HEAD", Head},
		{"9110 §9.2.1", "OPTIONS", Safe},
		{"9110 §9.2.1", "TRACE", Safe},
		{"4918 §9.1", "PROPFIND", Safe},
		{"3253 §3.6", "REPORT", Safe},
		{"5323 §2", "SEARCH", Safe},
		{"10008", "QUERY", Query},
		{"9110 §9.3.3", "POST", Unsafe},
		{"9110 §9.3.4", "PUT", Unsafe},
		{"9110 §9.3.5", "DELETE", Unsafe},
		{"5789 §2", "PATCH", Unsafe},
		{"9111 §4.4 unknown", "FOO", Unsafe},
		{"9110 §9.1 case", "get", Unsafe},
		{"9110 §9.1", "", Unsafe},
	} {
		if got := MethodOf([]byte(row.method)); got != row.want {
			t.Errorf("%s: %s is %d, want %d", row.section, row.method, got, row.want)
		}
	}
}

func TestUsable(t *testing.T) {
	for _, row := range []struct {
		section, request string
		want             Reason // ReasonNone: usable
	}{
		{"9111 §4", "GET", ReasonNone},
		{"9111 §4", "HEAD", ReasonNone},
		{"9111 §4", "POST", ReasonMethod},
		{"9111 §4", "OPTIONS", ReasonMethod},
		{"9111 §3.5", "GET | Authorization: Basic x", ReasonNone},
		{"9110 §9.3.1 content", "GET | Content-Length: 3", ReasonBypass},
		{"9110 §9.3.2 content", "HEAD | Content-Length: 3", ReasonBypass},
		{"9111 §4.3.2 the origin's", `GET | If-Match: "a"`, ReasonBypass},
		{"9111 §4.3.2 the origin's", "GET | if-unmodified-since: @-60", ReasonBypass},
		{"9111 §4.3.2 ours", `GET | If-None-Match: "a" | If-Modified-Since: @-60`, ReasonNone},
		{"9110 §14.2 one range", "GET | Range: bytes=0-1", ReasonNone},
		{"9110 §14.2 several ranges", "GET | Range: bytes=0-1,3-4", ReasonBypass},
		{"9110 §14.2 several lines", "GET | Range: bytes=0-1 | Range: bytes=3-4", ReasonBypass},
		{"9110 §14.1 another unit", "GET | Range: rows=0-1", ReasonBypass},
		{"9110 §14.2 invalid", "GET | Range: bytes=x", ReasonNone},
		{"9110 §14.2 GET only", "HEAD | Range: bytes=0-1,3-4", ReasonNone},
		{"9110 §13.1.5", `GET | Range: bytes=0-1 | If-Range: "a"`, ReasonNone},
		{"10008 §2.7", "QUERY | Content-Length: 3", ReasonNone},
		{"10008 §2.6", "QUERY | Content-Length: 3 | Range: bytes=0-1", ReasonNone},
		{"10008 §2.6", "QUERY | Content-Length: 3 | Range: bytes=0-1,3-4", ReasonBypass},
		{"10008 §2.5", `QUERY | Content-Length: 3 | If-Match: "a"`, ReasonBypass},
		{"unkeyed", "GET | X-Forwarded-Host: a", ReasonBypass},
		{"unkeyed", "GET | X-Forwarded-For: 192.0.2.1", ReasonNone},
	} {
		r, _ := request(row.request)
		if ok, why := r.Usable(); why != row.want || ok != (why == ReasonNone) {
			t.Errorf("%s: %q: %v %v, want %v", row.section, row.request, ok, why, row.want)
		}
	}
}

func TestNoCacheRequested(t *testing.T) {
	for _, row := range []struct {
		section, fields string
		want            bool
	}{
		{"9111 §5.2.1.4", "Cache-Control: no-cache", true},
		{"9111 §5.2.1.4", "cache-control: NO-CACHE", true},
		{"9111 §5.2.1.4 with an argument", `Cache-Control: no-cache="a"`, true},
		{"9111 §5.2.1.5", "Cache-Control: no-store", false},
		{"9111 §5.4", "Pragma: no-cache", true},
		{"9111 §5.4", "pragma: foo, No-Cache", true},
		{"9111 §5.4", "Pragma: foo", false},
		{"9111 §5.4 in quotes", `Pragma: foo="a, no-cache"`, false},
		{"9111 §5.4 beside Cache-Control", "Pragma: no-cache | Cache-Control: max-age=9", false},
		{"9111 §5.4 beside Cache-Control", "Cache-Control: max-age=9 | Pragma: no-cache", false},
	} {
		r, _ := request(row.fields)
		if got := r.noCache(); got != row.want {
			t.Errorf("%s: %q: %v, want %v", row.section, row.fields, got, row.want)
		}
	}
}

func TestIgnoreNoCache(t *testing.T) {
	for _, row := range []struct {
		fields  string
		ignored bool
	}{
		{"Cache-Control: no-cache", true},
		{"Pragma: no-cache", true},
		{"Cache-Control: max-age=0", true},
		{"Cache-Control: no-cache, max-age=0 | Pragma: no-cache", true},
		{"Cache-Control: max-age=1", false},
		{"Cache-Control: min-fresh=99", false},
	} {
		e := stored(t, defaults, "GET", "Cache-Control: max-age=60", "")
		r, _ := request(row.fields)
		later := received.Add(2 * time.Second)
		if got := Decide(r, e, later).Action; got != Revalidate {
			t.Errorf("%q: %v, want revalidate", row.fields, got)
		}
		r.IgnoreNoCache()
		if got := Decide(r, e, later).Action == Serve; got != row.ignored {
			t.Errorf("%q is ignored: %v, want %v", row.fields, got, row.ignored)
		}
	}
}

func TestUnkeyed(t *testing.T) {
	c := &Config{BypassHeaders: []string{"X-Tenant", "x-debug"}}
	for _, row := range []struct {
		name string
		want bool
	}{
		{"X-Forwarded-Host", true}, {"x-forwarded-host", true}, {"X_Forwarded_Host", true}, {"X-Forwarded_HOST", true},
		{"X-Forwarded-Proto", true}, {"X-Forwarded-Scheme", true}, {"X-Forwarded-Port", true}, {"X-Forwarded-Prefix", true},
		{"X-Forwarded-Server", true}, {"X-Host", true}, {"X-Original-Host", true}, {"X-Original-URL", true}, {"X-Rewrite-URL", true},
		{"X-HTTP-Method-Override", true}, {"X-Method-Override", true}, {"X-HTTP-Method", true}, {"Forwarded", true},
		{"X-Tenant", true}, {"x_tenant", true}, {"X-Debug", true},
		{"X-Forwarded-For", false}, {"X-Real-IP", false}, {"X-Request-ID", false}, {"Via", false}, {"Host", false}, {"X-Forwarded-Hos", false},
		{"X-Forwarded-Host2", false}, {"", false}, {strings.Repeat("x", 100), false}, {"Traceparent", false}, {"X-Tenants", false},
	} {
		if got := c.Bypasses([]byte(row.name)); got != row.want {
			t.Errorf("%q changes answers: %v, want %v", row.name, got, row.want)
		}
	}
	if (&Config{}).Bypasses([]byte("X-Tenant")) {
		t.Error("an empty BYPASS_HEADERS names X-Tenant")
	}
	keyed := &Config{BypassHeaders: []string{"X-Tenant"}, KeyHeaders: []string{"X-Tenant", "X-Forwarded-Host"}}
	for name, want := range map[string]bool{"x-tenant": false, "X-Forwarded-Host": false, "X_Forwarded_Host": true, "X-Host": true} {
		if got := keyed.Bypasses([]byte(name)); got != want {
			t.Errorf("%q, with KEY_HEADERS=X-Tenant,X-Forwarded-Host: %v, want %v", name, got, want)
		}
	}
}

func TestValidateNames(t *testing.T) {
	for _, row := range []struct {
		targets, bypass []string
		want            string
	}{
		{nil, nil, ""},
		{[]string{"CDN-Cache-Control", "Nearside-Cache-Control"}, []string{"X-A"}, ""},
		{[]string{"CDN Cache-Control"}, nil, "TARGETED_CACHE_CONTROL"},
		{nil, []string{"X-A", "X:B"}, "BYPASS_HEADERS"},
		{nil, []string{""}, "BYPASS_HEADERS"},
	} {
		err := (&Config{Targets: row.targets, BypassHeaders: row.bypass}).Validate()
		if got := fmt.Sprint(err); (err == nil) != (row.want == "") || !strings.Contains(got, row.want) {
			t.Errorf("%q %q: %v, want %q", row.targets, row.bypass, err, row.want)
		}
	}
}

func TestRequestKeepsNothing(t *testing.T) {
	r := new(Request)
	name, value := []byte("Range"), []byte("bytes=5-9")
	r.Add(name, value)
	copy(value, "xxxxxxxxx")
	if want := (ByteRange{5, 9}); !r.Is(Range) || r.Asked != want {
		t.Errorf("%+v", r)
	}
	if r.Reset(Head); r.Cond != 0 || r.CC.Set != 0 || r.Method != Head || r.Asked != (ByteRange{}) {
		t.Errorf("after Reset: %+v", r)
	}
}

var _ tiers.Selector = selector{}

// selector is a request's side of Vary.
type selector struct{ header tiers.Header }

func (s selector) Variant(vary string) string {
	return string(defaults.AppendVariant(nil, vary, s.header))
}
