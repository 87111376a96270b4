package e2e

import (
	"fmt"
	"io"
	"sync"
	"testing"
)

// The flight goes on when its leader's client has left.
func TestLeaderLeaves(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	held, release := gate(t)
	o.on("/small", func(c *call) {
		<-held
		c.say(reply("body", "Cache-Control: max-age=60"))
	})
	body := pattern(2 << 20)
	half, releaseHalf := gate(t)
	o.on("/large", func(c *call) {
		c.say(reply(body, "Cache-Control: max-age=60")[:1<<20])
		<-half
		c.say(reply(body, "Cache-Control: max-age=60")[1<<20:])
	})
	s := nearside(t, o.env())
	for _, target := range []string{"/small", "/large"} {
		c := dial(t, s.addr)
		if err := c.send(request("GET " + target)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the leader is at the origin", func() bool { return o.count(target) == 1 })
		if target == "/small" {
			followers := s.follow(times(3, request("GET "+target))...)
			c.conn.Close()
			release()
			followers.wants(200, "fwd=uri-miss; fwd-status=200; collapsed", "body")
		} else {
			if _, err := c.readHead(); err != nil {
				t.Fatal(err)
			}
			followers := s.begin(times(3, request("GET "+target))...)
			c.conn.Close()
			eventually(t, "all have their header", func() bool { return s.metric(`requests_total{outcome="collapsed",tier=""}`) == 6 })
			releaseHalf()
			followers.wants(200, "fwd=uri-miss; fwd-status=200; collapsed", body)
		}
		s.settled()
		equal(t, "body", s.get(target).cache(), "hit; detail=L1")
		equal(t, "requests at the origin", o.count(target), 1)
	}
}

// Content streams to all while it arrives, also where it is too large to be stored.
func TestFollowersStream(t *testing.T) {
	t.Parallel()
	const n = 10
	body := pattern(3 << 20)
	for _, row := range []struct {
		name, raw, env string
		stored         bool
	}{
		{"length", reply(body, "Cache-Control: max-age=60"), "", true},
		{"chunked", chunked(body, 10_000, "Cache-Control: max-age=60"), "", true},
		{"too large", chunked(body, 10_000, "Cache-Control: max-age=60"), "MAX_OBJECT_BYTES=1MiB", false},
		{"no room", chunked(body, 10_000, "Cache-Control: max-age=60"), "POOL_QUEUE_BYTES=1MiB", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			held, release := gate(t)
			rest, releaseRest := gate(t)
			o.on("/x", func(c *call) {
				<-held
				c.say(row.raw[:200_000])
				<-rest
				c.say(row.raw[200_000:])
			})
			s := nearside(t, o.env(), row.env)
			var clients []*client
			for i := range n {
				c := dial(t, s.addr)
				if err := c.send(request("GET /x")); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					eventually(t, "the leader is at the origin", func() bool { return o.count("/x") == 1 })
				}
				clients = append(clients, c)
			}
			eventually(t, "all follow", func() bool { return s.metric("followers") == n-1 })
			release()
			contents := make([]io.Reader, n)
			first := make([]byte, 100_000) // while the rest is still to come
			for i, c := range clients {
				r, err := c.readHead()
				if err != nil {
					t.Fatal(err)
				}
				contents[i] = r.content(c.reader, "GET")
				if _, err := io.ReadFull(contents[i], first); err != nil {
					t.Fatal(err)
				}
				equal(t, "beginning", string(first), body[:100_000])
			}
			releaseRest()
			var wg sync.WaitGroup
			for _, content := range contents {
				wg.Go(func() {
					got, err := io.ReadAll(content)
					if err != nil || string(got) != body[100_000:] {
						t.Errorf("%d bytes, %v", len(got), err)
					}
				})
			}
			wg.Wait()
			if row.name == "too large" {
				equal(t, "fills too large", s.fills("too-large"), 1)
			}
			s.settled()
			equal(t, "requests at the origin", o.count("/x"), 1)
			equal(t, "responses in L1", s.metric("l1_entries"), map[bool]int{true: 1}[row.stored])
			equal(t, "bodies waiting", s.metric("queued_bytes"), 0)
			equal(t, "flights", s.metric("flights"), 0)
		})
	}
}

// A response that breaks off is nobody's: followers get an error or an answer of their own while nothing was sent, and
// are cut off else.
func TestFlightBreaksOff(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	for _, size := range []int{1_000, 1_000_000} {
		target := fmt.Sprintf("/%d", size)
		held, release := gate(t)
		o.on(target, func(c *call) {
			if c.nth > 1 {
				c.say(reply("whole", "Cache-Control: no-store"))
				return
			}
			<-held
			c.say(reply(pattern(size), "Cache-Control: max-age=60")[:size])
			c.done = true
		})
		leader := s.begin(request("GET " + target))
		eventually(t, "the leader is at the origin", func() bool { return o.count(target) == 1 })
		followers := s.follow(times(5, request("GET "+target))...)
		release()
		leader.wg.Wait()
		followers.wg.Wait()
		for _, r := range append(leader.answers, followers.answers...) {
			if r == nil {
				t.Fatalf("%d bytes: no answer", size)
			}
			if size > 100_000 && (r.status != 200 || r.cut == nil) || size < 100_000 && r.cut != nil {
				t.Errorf("%d bytes: status %d, %v", size, r.status, r.cut)
			}
		}
		if size < 100_000 {
			equal(t, "status for the leader", leader.answers[0].status, 502)
			followers.wants(200, "fwd=uri-miss; fwd-status=200; detail=no-store", "whole")
		}
		s.settled()
		equal(t, "requests at the origin", o.count(target), map[bool]int{true: 6, false: 1}[size < 100_000])
	}
	equal(t, "responses stored", s.metric("l1_entries"), 0)
	equal(t, "bodies waiting", s.metric("queued_bytes"), 0)
}
