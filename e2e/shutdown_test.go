package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// SIGTERM under 200 keep-alive clients: each goes on until an answer tells it that the connection ends, and none
// gets less than an answer.
func TestShutdownUnderLoad(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.items("Cache-Control: max-age=600")
	s := nearside(t, o.env(), "SHUTDOWN_DELAY=1s")

	const clients = 200
	var answered, told atomic.Int64
	var wg sync.WaitGroup
	failures := make(chan string, clients)
	for i := range clients {
		wg.Go(func() {
			if err := untilTold(s.addr, i, &answered); err != nil {
				failures <- fmt.Sprintf("client %d: %v", i, err)
				return
			}
			told.Add(1)
		})
	}
	eventually(t, "all clients at work", func() bool { return answered.Load() >= 5*clients })
	s.signal(syscall.SIGTERM)
	eventually(t, "readiness off", func() bool { status, _ := ask(t, s.admin, "/readyz"); return status == 503 })
	late := s.get("/item/late")
	equal(t, "status of a connection made after readiness went off", late.status, 200)
	equal(t, "its Connection", late.field("Connection"), "close")
	status, _ := ask(t, s.admin, "/healthz")
	equal(t, "health while stopping", status, 200)

	wg.Wait()
	close(failures)
	for f := range failures {
		t.Error(f)
	}
	equal(t, "clients told that their connection ends", int(told.Load()), clients)
	equal(t, "exit code", s.wait(), 0)
}

// untilTold asks on one connection until an answer has Connection: close.
func untilTold(addr string, i int, answered *atomic.Int64) error {
	c, err := connect(addr)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	for n := range 1_000_000 {
		target := fmt.Sprintf("/item/%d", (i+n)%50)
		r, err := c.exchange(request("GET " + target))
		if err != nil {
			return fmt.Errorf("request %d: %w", n, err)
		}
		if r.status != 200 || r.body != item(target) || r.cut != nil {
			return fmt.Errorf("request %d: %d, %v, %s", n, r.status, r.cut, short(r.body))
		}
		answered.Add(1)
		if strings.EqualFold(r.field("Connection"), "close") {
			return nil
		}
	}
	return fmt.Errorf("never told")
}

// Requests that are in progress when the listener closes are answered to their ends: one that waits for the
// origin, and one in the middle of its body.
func TestShutdownWithRequestsInProgress(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	held, release := gate(t)
	o.on("/head", func(c *call) {
		<-held
		c.say(reply("late", "Cache-Control: no-store"))
	})
	o.on("/body", func(c *call) {
		c.say("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + pattern(100_000))
		<-held
		c.say(pattern(100_000))
	})
	s := nearside(t, o.env(), "SHUTDOWN_TIMEOUT=15s")
	head, body := dial(t, s.addr), dial(t, s.addr)
	if err := head.send(request("GET /head")); err != nil {
		t.Fatal(err)
	}
	if err := body.send(request("GET /body")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both at the origin", func() bool { return o.count("") == 2 })
	s.signal(syscall.SIGTERM)
	s.refuses()
	release()

	r, err := head.read("GET")
	if err != nil {
		t.Fatalf("the request that waited for the origin was dropped: %v", err)
	}
	equal(t, "answer that waited for the origin", r.body, "late")
	r, err = body.read("GET")
	if err != nil || r.cut != nil {
		t.Fatalf("the answer in progress was cut: %v %v", err, r)
	}
	equal(t, "answer in progress", r.body, pattern(100_000)+pattern(100_000))
	equal(t, "exit code", s.wait(), 0)
}

// refuses waits until the clients' listener is closed.
func (s *sidecar) refuses() {
	s.t.Helper()
	eventually(s.t, "listener closed", func() bool {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// What was answered before the end is in Redis after it: queued fills are drained, although Redis hangs when the
// signal comes.
func TestShutdownDrainsFills(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	s := nearside(t, o.env(), r.env(), "POOL_WORKERS=1", "L2_TIMEOUT=15s", "SHUTDOWN_TIMEOUT=15s")
	const objects = 100
	all(t, s, o, objects, r.Hang)
	waiting := s.metric(`pool_queued{pool="fill-l2"}`)
	if waiting < objects-2 {
		t.Errorf("%d fills wait", waiting)
	}
	s.signal(syscall.SIGTERM)
	eventually(t, "stopping", func() bool { return s.stderr.has("msg=stopping") })
	s.refuses()
	select {
	case <-s.exited:
		t.Error("it ended while fills were waiting")
	case <-time.After(time.Second): // it waits for them
	}
	r.Resume()
	equal(t, "exit code", s.wait(), 0)
	equal(t, "keys in Redis", r.keys(), objects)

	next := nearside(t, o.env(), r.env())
	for i := range objects {
		target := fmt.Sprintf("/item/%d", i)
		next.get(target).wants(200, "hit; detail=L2", item(target))
	}
	equal(t, "requests at the origin", len(o.requests("")), objects)
}

// An upstream that hangs holds the end up no longer than SHUTDOWN_TIMEOUT.
func TestShutdownTimeout(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("/hang", (*call).hang)
	s := nearside(t, o.env(), "SHUTDOWN_TIMEOUT=300ms")
	c := dial(t, s.addr)
	if err := c.send(request("GET /hang")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "request at the origin", func() bool { return o.count("/hang") == 1 })
	begun := time.Now()
	equal(t, "exit code", s.stop(), 0)
	if took := time.Since(begun); took < 300*time.Millisecond || took > 10*time.Second {
		t.Errorf("stopping took %v, with a SHUTDOWN_TIMEOUT of 300ms", took)
	}
	contains(t, "log", s.stderr.String(), "SHUTDOWN_TIMEOUT")
}

// A second signal ends the process at once.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env(), "SHUTDOWN_DELAY=1h")
	s.signal(syscall.SIGINT)
	eventually(t, "stopping", func() bool { return s.stderr.has("msg=stopping") })
	s.wantCode = -1 // ended by a signal
	eventually(t, "the end", func() bool {
		s.signal(syscall.SIGINT)
		select {
		case <-s.exited:
			return true
		default:
			return false
		}
	})
}
