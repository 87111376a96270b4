package e2e

import (
	"fmt"
	"sync"
	"testing"
)

// all asks for n targets at the same time and returns the answers. Between the requests' arrival at the origin and
// its answers, meanwhile is run.
func all(t *testing.T, s *sidecar, o *origin, n int, meanwhile func()) []*response {
	t.Helper()
	held, release := gate(t)
	o.on("*", func(c *call) {
		<-held
		c.say(reply(item(c.target), "Cache-Control: max-age=600"))
	})
	before := len(o.requests(""))
	answers := make([]*response, n)
	var wg sync.WaitGroup
	for i := range n {
		c := dial(t, s.addr)
		wg.Go(func() { answers[i], _ = c.exchange(request(fmt.Sprintf("GET /item/%d", before+i))) }) // nil: no answer
	}
	eventually(t, "all requests at the origin", func() bool { return len(o.requests(""))-before == n })
	meanwhile()
	release()
	wg.Wait()
	for i, r := range answers {
		want := item(fmt.Sprintf("/item/%d", before+i))
		if r == nil || r.status != 200 || r.body != want || r.cut != nil {
			t.Errorf("answer %d: %+v", i, r)
		}
	}
	return answers
}

// Without L1, with one worker that hangs in Redis and room for one more job, all other fills are dropped and counted, and
// no client notices.
func TestQueueFull(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	s := nearside(t, o.env(), r.env(), "L1_MAX_BYTES=0", "POOL_WORKERS=1", "POOL_QUEUE=1", "L2_TIMEOUT=15s")
	const n = 40
	answers := all(t, s, o, n, r.Hang)
	stored := 0
	for _, a := range answers {
		switch {
		case a == nil:
		case a.cache() == "fwd=uri-miss; fwd-status=200; stored":
			stored++
		default:
			equal(t, "Cache-Status of what was dropped", a.cache(), "fwd=uri-miss; fwd-status=200; detail=no-room")
		}
	}
	if stored < 1 || stored > 3 {
		t.Errorf("%d fills found room, with one worker and a queue of one", stored)
	}
	equal(t, "fills dropped", s.fills("dropped"), n-stored)
	equal(t, "jobs rejected", s.metric(`pool_jobs_total{pool="fill-l2",result="rejected"}`), n-stored)
	equal(t, "jobs that may wait", s.metric(`pool_queue_capacity{pool="fill-l2"}`), 1)
	r.Resume()
	s.settled()
	equal(t, "fills stored and failed", s.fills("stored")+s.fills("failed"), stored)
	equal(t, "fills without room", s.fills("no-room"), 0)
	equal(t, "bodies waiting", s.metric("queued_bytes"), 0)
	equal(t, "keys in Redis", r.keys(), stored)
}

// While Redis hangs and its queue is full, L1 gets all that is fetched, and what L2 does not get is counted: by jobs, and by
// bytes, of which what waits for Redis takes half.
func TestQueueOfRedis(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, env   string
		n           int
		least, most int // so many may wait for Redis
	}{
		{"jobs", "POOL_QUEUE=64", 200, 64, 66},
		{"bytes", "POOL_QUEUE_BYTES=1500B", 6, 3, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o, r := newOrigin(t), newRedis(t)
			s := nearside(t, o.env(), r.env(), "POOL_WORKERS=2", "L2_TIMEOUT=15s", row.env)
			in := 0
			for _, a := range all(t, s, o, row.n, r.Hang) {
				if a != nil && a.cache() == "fwd=uri-miss; fwd-status=200; stored" {
					in++
				}
			}
			equal(t, "fills dropped", s.fills("dropped"), row.n-in)
			eventually(t, "L1 has the others while Redis hangs", func() bool { return s.metric("l1_entries") == in })
			eventually(t, "L1 is done with them", func() bool { return s.metric(`pool_running{pool="fill"}`) == 0 })
			wait := in - s.fills("l1-only")
			if wait < row.least || wait > row.most {
				t.Errorf("%d fills of %d wait for Redis", wait, in)
			}
			r.Resume()
			s.settled()
			equal(t, "fills stored and failed", s.fills("stored")+s.fills("failed"), wait)
			equal(t, "keys in Redis", r.keys(), wait)
			equal(t, "bodies waiting", s.metric("queued_bytes"), 0)
		})
	}
}

// Bodies that find no room in POOL_QUEUE_BYTES are served and not stored, and each is counted once: by its length
// when that is known, else when it outgrows what is left.
func TestQueueBytes(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env(), "POOL_QUEUE_BYTES=20KB")
	o.says("/small", reply(pattern(5_000), "Cache-Control: max-age=60"))
	o.says("/large", reply(pattern(30_000), "Cache-Control: max-age=60"))
	o.says("/larger", reply(pattern(100_000), "Cache-Control: max-age=60"))
	o.says("/chunked", chunked(pattern(100_000), 1_000, "Cache-Control: max-age=60"))
	for range 3 {
		equal(t, "body of /small", s.get("/small").body, pattern(5_000))
		s.settled()
		s.get("/large").wants(200, "fwd=uri-miss; fwd-status=200; detail=no-room", pattern(30_000))
		s.get("/larger").wants(200, "fwd=uri-miss; fwd-status=200; detail=no-room", pattern(100_000))
		equal(t, "body of /chunked", s.get("/chunked").body, pattern(100_000))
	}
	s.settled()
	equal(t, "fills stored", s.fills("stored"), 1)
	equal(t, "fills without room", s.fills("no-room"), 9)
	equal(t, "fills dropped", s.fills("dropped"), 0)
	equal(t, "fills failed", s.fills("failed"), 0)
	equal(t, "bodies waiting", s.metric("queued_bytes"), 0)
	equal(t, "the most that may wait", s.metric("queued_bytes_limit"), 20_000)
	equal(t, "requests at the origin", len(o.requests("")), 10)
}

// Clients that leave in the middle of a body that would be stored give its room back.
func TestClientsThatLeave(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	head := "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n"
	o.on("/length", func(c *call) {
		c.say(head + "Content-Length: 4000000\r\n\r\n" + pattern(1_000_000))
		c.hang()
	})
	o.on("/chunked", func(c *call) {
		c.say(head + "Transfer-Encoding: chunked\r\n\r\n")
		for n := 0; n < 500 && !c.done; n++ {
			c.say(fmt.Sprintf("%x\r\n%s\r\n", 10_000, pattern(10_000)))
		}
		c.done = true
	})
	s := nearside(t, o.env(), "UPSTREAM_TIMEOUT=1s")
	for _, target := range []string{"/length", "/chunked"} {
		for range 5 {
			c := dial(t, s.addr)
			if err := c.send(request("GET " + target)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.readHead(); err != nil {
				t.Fatal(err)
			}
			c.conn.Close()
		}
	}
	eventually(t, "no body waits", func() bool { return s.metric("queued_bytes") == 0 })
	eventually(t, "no connection to the origin is busy", func() bool { return s.metric(`upstream_connections{state="busy"}`) == 0 })
	equal(t, "responses stored", s.metric("l1_entries"), 0)
	equal(t, "status of a request afterwards", s.get("/other").status, 404)
}
