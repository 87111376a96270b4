package e2e

import "testing"

// One target URI has many Keys: one for each credential, for each content of a query, and one that answers for several
// queries. A purge of the URI, and an unsafe request to it, reach them all, in both tiers and on every sidecar.
func TestPurgeReachesEveryKey(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.on("*", func(c *call) {
		c.readBody()
		fields := []string{"Cache-Control: max-age=600"}
		if c.target != "/x" {
			fields = append(fields, `No-Vary-Search: params=("utm")`)
		}
		c.say(reply(c.method+" "+c.target+" "+c.field("Authorization")+" "+c.body, fields...))
	})
	env := []string{o.env(), r.env(), "AUTHORIZATION=per-credential", "CREDENTIAL_SECRET=a-secret-of-the-fleet",
		`ROUTES=[{"path": "/x", "method": ["GET", "QUERY"], "tags": ["by the route"]}]`}
	one, two := nearside(t, env...), nearside(t, env...)

	x := []string{
		request("GET /x"), request("GET /x", "Authorization: a"), request("GET /x", "Authorization: b"),
		query("QUERY /x", "1"), query("QUERY /x", "2"),
	}
	s := []string{request("GET /s?q=1&utm=2")}
	forgotten := func(s *sidecar, what string, asks []string) {
		t.Helper()
		for _, raw := range asks {
			if got := s.send(raw).cache(); got != "fwd=uri-miss; fwd-status=200; stored" {
				t.Errorf("%s: %.30q is %s", what, raw, got)
			}
		}
		s.settled()
	}
	known := func(what string, asks []string) {
		t.Helper()
		for _, s := range []*sidecar{one, two} {
			for _, raw := range asks {
				if got := s.send(raw).cache(); got != "hit; detail=L1" && got != "hit; detail=L2" {
					t.Errorf("%s: %.30q is %s", what, raw, got)
				}
			}
			s.settled()
		}
	}
	forgotten(one, "at first", append(x, s...))
	two.get("/s?q=0") // from now on it knows what the path says
	two.settled()
	known("stored", append(x, s...))

	for _, purge := range []string{
		`{"type": "uri", "selectors": ["/x"]}`, `{"type": "tag", "selectors": ["by the route"]}`,
	} {
		one.purge(purge)
		forgotten(two, purge, x)
		known("stored again", append(x, s...))
	}
	one.purge(`{"type": "uri", "selectors": ["/s?q=9"]}`)
	forgotten(two, "another query of the path", s)
	known("stored again", append(x, s...))

	two.send(request("DELETE /x", "Authorization: c")).wants(200, "fwd=method; fwd-status=200", "DELETE /x c ")
	forgotten(two, "after DELETE, at the same sidecar", x)
	known("stored again", append(x, s...))
	two.send(request("DELETE /s?q=1&utm=3")).wants(200, "fwd=method; fwd-status=200", "DELETE /s?q=1&utm=3  ")
	eventually(t, "the other sidecar hears of it", func() bool { return one.send(s[0]).cache() != "hit; detail=L1" })
}
