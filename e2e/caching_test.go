package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// inEachTier runs a test with L1 alone and with L2 alone. The env is what makes the tier; its name is what
// Cache-Status says.
func inEachTier(t *testing.T, test func(t *testing.T, tier string, env []string)) {
	t.Parallel()
	t.Run("L1", func(t *testing.T) {
		t.Parallel()
		test(t, "L1", nil)
	})
	t.Run("L2", func(t *testing.T) {
		t.Parallel()
		test(t, "L2", []string{"L1_MAX_BYTES=0", newRedis(t).env()})
	})
}

// fields splits "A: 1 | B: 2" into field lines; "" is none.
func fields(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, " | ")
}

// What the second of two equal requests gets, by what the origin said to the first (RFC 9111 §3, §4.2).
func TestStorable(t *testing.T) {
	const fresh, stale = "hit", "fwd=stale; fwd-status=200; stored"
	no := func(why string) string { return "fwd=uri-miss; fwd-status=200; detail=" + why }
	rows := []struct{ answer, ask, again string }{
		{"Cache-Control: max-age=60", "", fresh},
		{"Cache-Control: max-age=0, s-maxage=60", "", fresh},
		{"Cache-Control: max-age=60, s-maxage=0", "", no("no-freshness")},
		{"Cache-Control: MAX-AGE=60", "", fresh},
		{`Cache-Control: max-age="60"`, "", fresh},
		{"Cache-Control: public | Cache-Control: max-age=60", "", fresh},
		{"Cache-Control: max-age=60, max-age=0", "", no("no-freshness")},
		{"Cache-Control: max-age=sixty", "", no("no-freshness")},
		{"Cache-Control: max-age=99999999999999999999", "", fresh},
		{"Cache-Control: max-age=60, unheard-of=\"x, no-store\"", "", fresh},
		{"Expires: {+60}", "", fresh},
		{"Expires: {-60}", "", no("no-freshness")},
		{"Expires: 0", "", no("no-freshness")},
		{"Expires: {+60} | Cache-Control: max-age=0", "", no("no-freshness")},
		{"Expires: {-60} | Cache-Control: max-age=60", "", fresh},
		{"Date: | Cache-Control: max-age=60", "", fresh},
		{"Date: {-61} | Cache-Control: max-age=60", "", stale},
		{"X-None: 1", "", no("no-freshness")},
		{"Last-Modified: {-86400}", "", fresh},
		{"Cache-Control: max-age=60 | Age: 30", "", fresh},
		{"Cache-Control: max-age=60 | Age: 60", "", stale},
		{"Cache-Control: max-age=60, must-revalidate | Age: 60", "", no("no-freshness")},

		{"Cache-Control: no-store, max-age=60", "", no("no-store")},
		{"Cache-Control: max-age=60", "Cache-Control: no-store", no("no-store")},
		{"Cache-Control: private, max-age=60", "", no("private")},
		{"Cache-Control: no-cache, max-age=60", "", stale},
		{"Vary: * | Cache-Control: max-age=60", "", no("vary-star")},
		{"Set-Cookie: a=1 | Cache-Control: max-age=60", "", no("set-cookie")},
		{"Set-Cookie: a=1 | Cache-Control: public, max-age=60", "", fresh},

		{"Cache-Control: max-age=60", "Authorization: Bearer 1", no("authorization")},
		{"Cache-Control: max-age=60, public", "Authorization: Bearer 1", fresh},
		{"Cache-Control: max-age=60, must-revalidate", "Authorization: Bearer 1", fresh},
		{"Cache-Control: s-maxage=60", "Authorization: Bearer 1", fresh},

		{"Status: 404 | Cache-Control: max-age=60", "", fresh},
		{"Status: 301 | Cache-Control: max-age=60 | Location: /elsewhere", "", fresh},
		{"Status: 302 | Cache-Control: max-age=60 | Location: /elsewhere", "", fresh},
		{"Status: 302 | Last-Modified: {-86400} | Location: /elsewhere", "", "fwd=uri-miss; fwd-status=302; detail=status"},
		{"Status: 204 | Cache-Control: max-age=60", "", fresh},
		{"Status: 206 | Cache-Control: max-age=60 | Content-Range: bytes 0-3/4", "", "fwd=uri-miss; fwd-status=206; detail=status"},
		{"Status: 500 | Last-Modified: {-86400}", "", "fwd=uri-miss; fwd-status=500; detail=status"},
		{"Status: 299 | Last-Modified: {-86400}", "", "fwd=uri-miss; fwd-status=299; detail=status"},
	}
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		s := nearside(t, append(env, o.env())...)
		for i, row := range rows {
			target := fmt.Sprintf("/storable/%d", i)
			answer := reply("body", fields(row.answer)...)
			if strings.HasPrefix(row.answer, "Status: 204") {
				answer = reply("", fields(row.answer)...)
			}
			o.says(target, answer)
			first := s.get(target, fields(row.ask)...)
			s.settled()
			second := s.get(target, fields(row.ask)...)

			want, requests := row.again, 2
			if want == fresh {
				want, requests = "hit; detail="+tier, 1
			}
			what := fmt.Sprintf("%s, asked %q: ", row.answer, row.ask)
			equal(t, what+"Cache-Status again", second.cache(), want)
			equal(t, what+"status again", second.status, first.status)
			equal(t, what+"body again", second.body, first.body)
			equal(t, what+"requests at the origin", o.count(target), requests)
		}
	})
}

// What a request's own directives make of a response that is stored for a minute and 10 s old (RFC 9111 §5.2.1, §5.4).
func TestRequestDirectives(t *testing.T) {
	const fresh, asked = "hit", "fwd=request; fwd-status=200; stored"
	rows := []struct{ ask, want string }{
		{"", fresh},
		{"Cache-Control: no-cache", asked},
		{"Cache-Control: max-age=0", asked},
		{"Cache-Control: max-age=5", asked},
		{"Cache-Control: max-age=40", fresh},
		{"Cache-Control: min-fresh=55", asked},
		{"Cache-Control: min-fresh=20", fresh},
		{"Cache-Control: no-store", fresh},
		{"Cache-Control: only-if-cached", fresh},
		{"Pragma: no-cache", asked},
		{"Pragma: no-cache | Cache-Control: max-age=40", fresh},
		{"Authorization: Bearer 1", fresh},
		{"Cookie: a=1", fresh},
		{"If-Match: \"1\"", "fwd=bypass; fwd-status=200"},
		{"If-Unmodified-Since: {now}", "fwd=bypass; fwd-status=200"},
	}
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		s := nearside(t, append(env, o.env())...)
		for i, row := range rows {
			target := fmt.Sprintf("/asked/%d", i)
			o.says(target, reply("body", "Cache-Control: max-age=60", "Age: 10"))
			s.get(target)
			s.settled()
			r := s.get(target, fields(stamp(row.ask))...)
			want, requests := row.want, 2
			if want == fresh {
				want, requests = "hit; detail="+tier, 1
			}
			equal(t, row.ask+": Cache-Status", withoutDetail(r.cache(), want), want)
			equal(t, row.ask+": status", r.status, 200)
			equal(t, row.ask+": body", r.body, "body")
			equal(t, row.ask+": requests at the origin", o.count(target), requests)
		}
		r := s.get("/nothing", "Cache-Control: only-if-cached")
		equal(t, "status of only-if-cached with nothing stored", r.status, 504)
		equal(t, "its Cache-Status", r.cache(), "detail=only-if-cached")
		equal(t, "requests at the origin", o.count("/nothing"), 0)

		r = s.get("/", "Cache-Control: no-store")
		equal(t, "a miss with no-store", r.cache(), "fwd=uri-miss; fwd-status=404; detail=no-store")
	})
}

// withoutDetail leaves the detail of a forwarded request out when want has none: why it was not stored is another
// test's.
func withoutDetail(cache, want string) string {
	if strings.HasPrefix(want, "fwd=") && !strings.Contains(want, "detail=") {
		cache, _, _ = strings.Cut(cache, "; detail=")
	}
	return cache
}

// A stale response serves whom max-stale allows it, unless the origin forbids that (RFC 9111 §5.2.1.2).
func TestMaxStale(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		s := nearside(t, append(env, o.env())...)
		for i, row := range []struct{ answer, ask, want string }{
			{"Cache-Control: max-age=60", "max-stale=300", "hit; detail=" + tier},
			{"Cache-Control: max-age=60", "max-stale", "hit; detail=" + tier},
			{"Cache-Control: max-age=60", "max-stale=50", "fwd=stale; fwd-status=200; stored"},
			{"Cache-Control: max-age=60, must-revalidate", "max-stale", "fwd=stale; fwd-status=200; stored"},
			{"Cache-Control: s-maxage=60", "max-stale", "fwd=stale; fwd-status=200; stored"},
			{"Cache-Control: max-age=60", "no-transform", "fwd=stale; fwd-status=200; stored"},
		} {
			target := fmt.Sprintf("/stale/%d", i)
			o.says(target, reply("body", row.answer, "Age: 120", `ETag: "1"`))
			s.get(target)
			s.settled()
			r := s.get(target, "Cache-Control: "+row.ask)
			r.wants(200, row.want, "body")
			if r.cache() == "hit; detail="+tier && (r.ttl() > -60 || r.age() < 120) {
				t.Errorf("%s: ttl %d, Age %d", row.answer, r.ttl(), r.age())
			}
		}
	})
}

// Fields that a qualified private or no-cache names are not stored; the rest is (RFC 9111 §5.2.2.4, §5.2.2.7).
func TestQualifiedDirectives(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		s := nearside(t, append(env, o.env())...)
		for _, directive := range []string{"private", "no-cache"} {
			target := "/" + directive
			o.says(target, reply("body", "X-User: 7", "X-Rest: 8", `Cache-Control: max-age=60, `+directive+`="X-User, X-Other"`))
			s.get(target)
			s.settled()
			r := s.get(target)
			equal(t, directive+": X-User from the store", r.field("X-User"), "")
			if r.cache() == "hit; detail="+tier {
				equal(t, directive+": X-Rest from the store", r.field("X-Rest"), "8")
			} else {
				t.Errorf("%s: %s", directive, r.cache())
			}
		}
	})
}

// The variants of a response are told apart by the fields that Vary names, and by those only (RFC 9111 §4.1).
func TestVary(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		o.on("*", func(c *call) {
			vary := strings.TrimPrefix(c.target, "/")
			c.say(reply(fmt.Sprintf("%q", fieldValues(c.head, "A"))+c.field("Accept-Language"),
				"Cache-Control: max-age=60", "Vary: "+strings.ReplaceAll(vary, "+", ", ")))
		})
		s := nearside(t, append(env, o.env())...)
		for _, row := range []struct {
			target string
			ask    string
			hit    bool
		}{
			{"/A", "", false},
			{"/A", "", true},
			{"/A", "A:", false}, // empty is not absent
			{"/A", "A:", true},
			{"/A", "A: 1", false},
			{"/A", "a: 1", true},
			{"/A", "A: 1 | B: 2", true},
			{"/A", "A: 2", false},
			{"/A", "A: 1", true},
			{"/A", "", true},
			{"/A", "A: 1 | A: 2", false},
			{"/A", "A: 1, 2", true}, // lines are combined
			{"/A", "A: 1,2", true},
			{"/A", "A: 12", false},
			{"/a+Accept-Language", "A: 1 | Accept-Language: de", false},
			{"/a+Accept-Language", "A: 1 | Accept-Language: en", false},
			{"/a+Accept-Language", "A: 1", false},
			{"/a+Accept-Language", "Accept-Language: en", false},
			{"/a+Accept-Language", "A: 1 | Accept-Language: en", true},
			{"/a+Accept-Language", "Accept-Language: en | A: 1", true},
		} {
			before := len(o.requests(""))
			r := s.get(row.target, fields(row.ask)...)
			s.settled()
			equal(t, fmt.Sprintf("%s asked %q: hit", row.target, row.ask), r.cache() == "hit; detail="+tier, row.hit)
			requests := 1
			if row.hit {
				requests = 0
			}
			equal(t, fmt.Sprintf("%s asked %q: requests at the origin", row.target, row.ask), len(o.requests(""))-before, requests)
			if !row.hit {
				want := fmt.Sprintf("%q", fieldValues(strings.Join(fields(row.ask), "\n"), "A"))
				equal(t, "body of the variant", strings.HasPrefix(r.body, want), true)
			}
		}
	})
}

// DEFAULT_TTL is for responses that say nothing, and for no others.
func TestDefaultTTL(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		s := nearside(t, append(env, o.env(), "DEFAULT_TTL=1m")...)
		for i, row := range []struct {
			answer string
			hit    bool
		}{
			{"X-None: 1", true},
			{"Cache-Control: public", true},
			{"Cache-Control: max-age=0", false},
			{"Cache-Control: no-store", false},
			{"Cache-Control: private", false},
			{"Expires: 0", false},
			{"Status: 404", true},
			{"Status: 302 | Location: /x", false},
			{"Status: 500", false},
			{"Status: 405", false},
			{"Set-Cookie: a=1", false},
		} {
			target := fmt.Sprintf("/silent/%d", i)
			o.says(target, reply("body", fields(row.answer)...))
			s.get(target)
			s.settled()
			equal(t, row.answer+": hit", s.get(target).cache() == "hit; detail="+tier, row.hit)
		}
	})
}

// HEAD is answered from a stored GET; it is never what fills the store.
func TestHead(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		o.on("/x", func(c *call) {
			raw := reply("content", "Cache-Control: max-age=60", `ETag: "1"`)
			if c.method == "HEAD" {
				raw = strings.TrimSuffix(raw, "content")
			}
			c.say(raw)
		})
		s := nearside(t, append(env, o.env())...)
		r := s.do("HEAD /x")
		r.wants(200, "fwd=uri-miss; fwd-status=200", "")
		equal(t, "Content-Length of what was forwarded", r.field("Content-Length"), "7")
		s.settled()
		s.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; stored", "content")
		s.settled()
		r = s.do("HEAD /x")
		r.wants(200, "hit; detail="+tier, "")
		equal(t, "Content-Length from the store", r.field("Content-Length"), "7")
		equal(t, "ETag from the store", r.field("ETag"), `"1"`)
		var methods []string
		for _, c := range o.requests("/x") {
			methods = append(methods, c.method)
		}
		equal(t, "requests at the origin", strings.Join(methods, " "), "HEAD GET")

		c := dial(t, s.addr) // the connection goes on behind an answer without a body
		c.ask(request("HEAD /x"))
		c.ask(request("GET /x")).wants(200, "hit; detail="+tier, "content")
	})
}

// An unsafe request that succeeds ends what is stored for its target, in both tiers; one that fails does not (RFC
// 9111 §4.4).
func TestUnsafeMethods(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	s := nearside(t, o.env(), r.env())
	far := nearside(t, o.env(), r.env(), "L1_MAX_BYTES=0") // sees L2 only
	methods := []string{"POST", "PUT", "PATCH", "DELETE", "FROB"}
	for i, row := range []struct {
		methods []string
		status  int
		ends    bool
	}{
		{methods, 200, true},
		{methods, 204, true},
		{methods, 303, true},
		{methods, 400, false},
		{methods, 500, false},
		{[]string{"OPTIONS", "PROPFIND"}, 200, false},
	} {
		for _, method := range row.methods {
			target := fmt.Sprintf("/%s/%d", method, i)
			o.on(target, func(c *call) {
				c.readBody()
				if c.method == "GET" {
					c.say(reply("body", "Cache-Control: max-age=60"))
					return
				}
				c.say(reply("", fmt.Sprintf("Status: %d", row.status)))
			})
			s.get(target)
			s.settled()
			c := s.send(request(method+" "+target, "Content-Length: 3") + "new")
			equal(t, target+": status", c.status, row.status)
			equal(t, target+": Cache-Status", withoutDetail(c.cache(), "fwd="), fmt.Sprintf("fwd=method; fwd-status=%d", row.status))
			equal(t, target+": content at the origin", o.last(target).body, "new")

			want := "hit; detail=L2"
			if row.ends {
				want = "fwd=uri-miss; fwd-status=200; stored"
			}
			equal(t, target+": L2 afterwards", far.get(target).cache(), want)
			equal(t, target+": in L1 afterwards", s.get(target).cache() == "hit; detail=L1", !row.ends)
		}
	}
	equal(t, "invalidations", s.metric(`invalidations_total{result="done"}`), 3*len(methods))

	// What Location and Content-Location name is ended with it.
	for _, target := range []string{"/list", "/list/1", "/list/2", "/list/3"} {
		o.says(target, reply("body", "Cache-Control: max-age=60"))
		s.get(target)
	}
	s.settled()
	o.says("/new", reply("", "Status: 201", "Location: /list/1", "Content-Location: "+o.url("/list/2")))
	s.do("POST /new")
	equal(t, "what neither names", s.get("/list/3").cache(), "hit; detail=L1")
	equal(t, "what Location names", s.get("/list/1").cache(), "fwd=uri-miss; fwd-status=200; stored")
	equal(t, "what Content-Location names", s.get("/list/2").cache(), "fwd=uri-miss; fwd-status=200; stored")

	o.says("/alone", reply("body", "Cache-Control: max-age=60"))
	s.get("/alone")
	s.settled()
	near := nearside(t, o.env())
	for range 2 {
		near.get("/alone")
		near.settled()
	}
	near.do("DELETE /alone")
	near.get("/alone").wants(200, "fwd=uri-miss; fwd-status=200; stored", "body")
}

// A target is its bytes: what the origin could tell apart is apart in the store.
func TestKeysAreExact(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		o.on("*", func(c *call) { c.say(reply("for "+c.target, "Cache-Control: max-age=60")) })
		s := nearside(t, append(env, o.env())...)
		for range 2 {
			for _, target := range exactTargets {
				equal(t, "body of "+target, s.get(target).body, "for "+target)
			}
			s.settled()
		}
		for _, target := range exactTargets {
			equal(t, "Cache-Status of "+target, s.get(target).cache(), "hit; detail="+tier)
			equal(t, "requests for "+target, o.count(target), 1)
		}
	})
}

// exactTargets must arrive as they stand here.
var exactTargets = slices.Concat(
	[]string{"/", "//", "//evil.test/x", "///x", "/x", "/x/", "/x?", "/x??", "/x?a", "/x?a=", "/x?a=1&a=2", "/x?a=2&a=1", "/x?a=1?b=2"},
	[]string{"/a/../b", "/a/./b", "/../x", "/b", "/a%2Fb", "/a%2fb", "/a/b", "/a//b", "/%41", "/A", "/a", "/a%", "/%zz", "/a;v=1", "/a;v=2"},
	[]string{"/a+b", "/a%20b", "/x?q=a+b", "/x?q=a%20b", "/x?x[]=1", "/x?x%5B%5D=1", "/{x}", "/a|b", "/a\\b", "/\"a\"", "/ä", "/%C3%A4", "/a:b", "/@a"},
	[]string{"/http://x.test/", "/x?u=http://x.test/y?z", "/" + strings.Repeat("long/", 1000)},
)
