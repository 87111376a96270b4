package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// What one sidecar fetched, another of the same fleet gets from L2, as old as it is, and then from its own L1.
func TestSecondSidecar(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.says("/x", reply("shared", "Cache-Control: max-age=60", "Age: 20", `ETag: "1"`, "X-Two: a", "x-two: b"))

	a := nearside(t, o.env(), r.env())
	first := a.get("/x")
	first.wants(200, "fwd=uri-miss; fwd-status=200; stored", "shared")
	a.settled()
	equal(t, "fills stored", a.fills("stored"), 1)

	b := nearside(t, o.env(), r.env())
	equal(t, "Age of the miss", first.age(), 20)
	eventually(t, "three seconds older at the first", func() bool { return a.get("/x").age() >= 23 })
	far := b.get("/x")
	far.wants(200, "hit; detail=L2", "shared")
	near := b.get("/x")
	near.wants(200, "hit; detail=L1", "shared")
	equal(t, "requests at the origin", o.count(""), 1)

	for _, hit := range []*response{far, near} {
		// The time that a write to Redis takes is not in the Age: a second may begin somewhat later there.
		if age, ttl := hit.age(), hit.ttl(); age < 22 || age > 40 || age+ttl < 58 || age+ttl > 60 {
			t.Errorf("Age %d and ttl %d of 60 s, of which at least 22 are gone", age, ttl)
		}
		equal(t, "Date", hit.field("Date"), first.field("Date"))
		contains(t, "hit", hit.head, "ETag: \"1\"\r\n", "X-Two: a\r\n", "x-two: b\r\n")
	}
}

// Sidecars of different upstreams share a Redis and never meet; those of one target URI do, however it is put
// together.
func TestKeysOfUpstreams(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	a, b := newOrigin(t), newOrigin(t)
	for _, o := range []*origin{a, b} {
		for _, target := range []string{"/x", "/v1/x", "/v1/v2/x"} {
			o.says(target, reply(o.addr()+target, "Cache-Control: max-age=60"))
		}
	}
	for _, row := range []struct{ upstream, ask, cache, body string }{
		{a.url(""), "/x", "fwd=uri-miss; fwd-status=200; stored", a.addr() + "/x"},
		{b.url(""), "/x", "fwd=uri-miss; fwd-status=200; stored", b.addr() + "/x"},
		{a.url("/v1"), "/x", "fwd=uri-miss; fwd-status=200; stored", a.addr() + "/v1/x"},
		{a.url("/v1/v2"), "/x", "fwd=uri-miss; fwd-status=200; stored", a.addr() + "/v1/v2/x"},
		{a.url(""), "/x", "hit; detail=L2", a.addr() + "/x"},
		{b.url("/"), "/x", "hit; detail=L2", b.addr() + "/x"},
		{a.url(""), "/v1/x", "hit; detail=L2", a.addr() + "/v1/x"},
		{a.url("/v1/"), "/v2/x", "hit; detail=L2", a.addr() + "/v1/v2/x"},
	} {
		s := nearside(t, "UPSTREAM_URL="+row.upstream, r.env())
		s.get(row.ask).wants(200, row.cache, row.body)
		s.settled()
		s.stop()
	}
	equal(t, "requests at the first origin", a.count(""), 3)
	equal(t, "requests at the second origin", b.count(""), 1)

	other := nearside(t, a.env(), r.env(), "KEY_PREFIX=other")
	other.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; stored", a.addr()+"/x")
}

// Each tier works without the other, and the proxy without both.
func TestTiersAlone(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	for _, row := range []struct {
		name, again string
		env         []string
		upstream    int
	}{
		{"L1 only", "hit; detail=L1", nil, 1},
		{"L2 only", "hit; detail=L2", []string{"L1_MAX_BYTES=0", r.env()}, 1},
		{"none", "fwd=uri-miss; fwd-status=200", []string{"L1_MAX_BYTES=0"}, 3},
	} {
		o := newOrigin(t)
		o.says("/x", reply("body", "Cache-Control: max-age=60"))
		s := nearside(t, append(row.env, o.env())...)
		t.Log(row.name)
		equal(t, "first body", s.get("/x").body, "body")
		s.settled()
		s.get("/x").wants(200, row.again, "body")
		s.settled()
		s.get("/x").wants(200, row.again, "body")
		equal(t, "requests at the origin", o.count(""), row.upstream)
	}
}

// A sidecar that starts anew, after a stop or a crash, finds L2 warm.
func TestRestartWithWarmL2(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	const objects = 20
	target := func(i int) string { return fmt.Sprintf("/x/%d", i) }
	for i := range objects {
		o.says(target(i), reply(target(i), "Cache-Control: max-age=60"))
	}
	s := nearside(t, o.env(), r.env())
	for i := range objects {
		s.get(target(i)).wants(200, "fwd=uri-miss; fwd-status=200; stored", target(i))
	}
	equal(t, "exit code", s.stop(), 0)

	s = nearside(t, o.env(), r.env())
	for i := range objects {
		s.get(target(i)).wants(200, "hit; detail=L2", target(i))
	}
	s.wantCode = -1
	s.signal(syscall.SIGKILL)
	s.wait()

	s = nearside(t, o.env(), r.env())
	for i := range objects {
		s.get(target(i)).wants(200, "hit; detail=L2", target(i))
		s.get(target(i)).wants(200, "hit; detail=L1", target(i))
	}
	equal(t, "requests at the origin", o.count(""), objects)
}

// A tier keeps a response no longer than it is told to, whatever its own lifetime.
func TestLongestTTL(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.says("/x", reply("body", "Cache-Control: max-age=600"))
	s := nearside(t, o.env(), r.env(), "L1_MAX_TTL=300ms", "L2_MAX_TTL=30s")
	s.get("/x")
	s.settled()
	eventually(t, "out of L1", func() bool { return s.get("/x").cache() == "hit; detail=L2" })
	if ttl := s.get("/x").ttl(); ttl < 500 {
		t.Errorf("ttl %d of 600 s: what a tier keeps is no lifetime", ttl)
	}
	equal(t, "requests at the origin", o.count("/x"), 1)
	keys, err := r.client.Keys(t.Context(), "nearside:v1:{????????????????????????????????}*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys with the prefix: %q, %v", keys, err)
	}
	if left := r.client.PTTL(t.Context(), keys[0]).Val(); left <= 0 || left > 30*time.Second {
		t.Errorf("Redis keeps it for %v", left)
	}
}

// The password of Redis may be in a file.
func TestRedisPasswordFile(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.says("/x", reply("body", "Cache-Control: max-age=600"))
	if err := r.client.ConfigSet(t.Context(), "requirepass", "pass word").Err(); err != nil {
		t.Fatal(err)
	}
	s := nearside(t, o.env(), r.env(), "L1_MAX_BYTES=0", "REDIS_PASSWORD_FILE="+write(t, "password", "pass word\n"))
	s.get("/x")
	s.settled()
	s.get("/x").wants(200, "hit; detail=L2", "body")

	wrong := nearside(t, o.env(), r.env(), "L1_MAX_BYTES=0", "REDIS_PASSWORD_FILE="+write(t, "password", "wrong\n"))
	equal(t, "status with a wrong password", wrong.get("/x").status, 200)
	eventually(t, "a line in the log", func() bool { return wrong.stderr.has("WRONGPASS") })
}

// A body above the size that is read at once is stored as well, with its length known or not.
func TestLargeObjects(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	s := nearside(t, o.env(), r.env(), "L1_MAX_BYTES=0", "MAX_OBJECT_BYTES=1MiB", "L2_TIMEOUT=2s")
	for _, row := range []struct {
		size  int
		again string
	}{
		{64<<10 - 1, "hit; detail=L2"}, {64 << 10, "hit; detail=L2"}, {64<<10 + 1, "hit; detail=L2"},
		{1<<20 - 1, "hit; detail=L2"}, {1 << 20, "hit; detail=L2"}, {1<<20 + 1, ""},
	} {
		body := pattern(row.size)
		for name, raw := range map[string]string{
			"length":  reply(body, "Cache-Control: max-age=60"),
			"chunked": chunked(body, 10_000, "Cache-Control: max-age=60"),
		} {
			target := fmt.Sprintf("/%s/%d", name, row.size)
			o.says(target, raw)
			first := s.get(target)
			equal(t, target+": body of the miss", first.body, body)
			s.settled()
			second := s.get(target)
			equal(t, target+": body again", second.body, body)
			if row.again == "" {
				equal(t, target+": requests at the origin", o.count(target), 2)
				continue
			}
			equal(t, target+": Cache-Status again", second.cache(), row.again)
			equal(t, target+": Content-Length again", second.field("Content-Length"), fmt.Sprint(row.size))
			equal(t, target+": requests at the origin", o.count(target), 1)
		}
	}
}

// pattern is n bytes of which no part is like another.
func pattern(n int) string {
	b := make([]byte, 0, n+16)
	for len(b) < n {
		b = fmt.Appendf(b, "%d,", len(b))
	}
	return string(b[:n])
}

// chunked composes an answer in chunks of a size.
func chunked(body string, size int, fields ...string) string {
	raw := "HTTP/1.1 200 OK\r\nDate: {now}\r\nTransfer-Encoding: chunked\r\n"
	for _, f := range fields {
		raw += f + "\r\n"
	}
	raw += "\r\n"
	for len(body) > 0 {
		n := min(size, len(body))
		raw += fmt.Sprintf("%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return raw + "0\r\n\r\n"
}
