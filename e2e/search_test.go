package e2e

import "testing"

// A response that says which parameters do not matter to it answers for all queries that are the same in its eyes
// (No-Vary-Search), and for no other.
func TestNoVarySearch(t *testing.T) {
	inEverySetting(t, nil, func(w *world) {
		o, s := w.o, w.s
		field := ""
		o.on("*", func(c *call) {
			fields := []string{"Cache-Control: max-age=60", `ETag: "1"`}
			if field != "" {
				fields = append(fields, "No-Vary-Search: "+field)
			}
			if c.field("If-None-Match") != "" {
				fields = append(fields, "Status: 304")
			}
			c.say(reply(c.target, fields...))
		})
		hit, miss := "hit; detail=L1", "fwd=uri-miss; fwd-status=200; stored"
		if w.tiers == "L2" {
			hit = "hit; detail=L2"
		}
		for _, row := range []struct{ field, target, cache, body string }{
			{`params=("utm" "ref")`, "/a?q=1&utm=x", miss, "/a?q=1&utm=x"},
			{"", "/a?q=1", hit, "/a?q=1&utm=x"},
			{"", "/a?ref=y&q=%31&utm=z", hit, "/a?q=1&utm=x"},
			{`params=("utm" "ref")`, "/a?q=2&utm=x", miss, "/a?q=2&utm=x"},
			{`params=("utm" "ref")`, "/a?q=1&p=2", miss, "/a?q=1&p=2"},
			{`params=("utm" "ref")`, "/a?p=2&q=1", miss, "/a?p=2&q=1"},
			{`key-order, except=("id")`, "/b?id=1&id=2&x", miss, "/b?id=1&id=2&x"},
			{"", "/b?y=3&id=1&id=2", hit, "/b?id=1&id=2&x"},
			{`key-order, except=("id")`, "/b?id=2&id=1", miss, "/b?id=2&id=1"},
			{`except=()`, "/c?a=1", miss, "/c?a=1"},
			{"", "/c", hit, "/c?a=1"},
			{"", "/c?anything", hit, "/c?a=1"},
			{`params=("a"), except=("b")`, "/d?a=1", miss, "/d?a=1"},
			{"", "/d?a=2", miss, "/d?a=2"},
			{"", "/d?a=1", hit, "/d?a=1"},
			// What a path says last is how it is looked up, and what is found has its own word.
			{`params=("x")`, "/e?x=1&y=1", miss, "/e?x=1&y=1"},
			{`params=("y")`, "/e?x=2&y=2", miss, "/e?x=2&y=2"},
			{"", "/e?x=2&y=3", hit, "/e?x=2&y=2"},
		} {
			field = row.field
			s.get(row.target).wants(200, row.cache, row.body)
			s.settled()
		}
		s.get("/a?utm=9&q=1", "Cache-Control: no-cache").wants(200, "fwd=request; fwd-status=304; stored", "/a?q=1&utm=x")
		head := s.do("HEAD /a?q=1&ref=r")
		equal(w.t, "Cache-Status of HEAD", head.cache(), hit)
	})
}

// Another sidecar of the fleet finds in L2 what is the same to it, once it has met the path.
func TestNoVarySearchInTheFleet(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.on("*", func(c *call) { c.say(reply(c.target, "Cache-Control: max-age=60", `No-Vary-Search: params=("utm")`)) })
	one, two := nearside(t, o.env(), r.env()), nearside(t, o.env(), r.env())
	one.get("/a?q=1&utm=x").wants(200, "fwd=uri-miss; fwd-status=200; stored", "/a?q=1&utm=x")
	one.get("/a?q=2").wants(200, "fwd=uri-miss; fwd-status=200; stored", "/a?q=2")
	one.settled()
	two.get("/a?q=3").wants(200, "fwd=uri-miss; fwd-status=200; stored", "/a?q=3")
	two.settled()
	two.get("/a?utm=y&q=1").wants(200, "hit; detail=L2", "/a?q=1&utm=x")
	two.get("/a?q=2&utm=z").wants(200, "hit; detail=L2", "/a?q=2")
}
