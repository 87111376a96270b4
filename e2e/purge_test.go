package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// purgeAnswer is what the admin listener says to a purge.
type purgeAnswer struct {
	Position    string   `json:"position"`
	Confirmed   bool     `json:"confirmed"`
	Sidecars    int      `json:"sidecars"`
	Unconfirmed []string `json:"unconfirmed"`
	Error       string   `json:"error"`
}

// tell sends a request to the admin listener, and returns the status and the answer.
func (s *sidecar) tell(method, target, body string, fields ...string) (int, purgeAnswer) {
	s.t.Helper()
	status, answer, err := tellAt(s.admin, method, target, body, fields...)
	if err != nil {
		s.t.Fatal(err)
	}
	return status, answer
}

// tellAt is tell for goroutines that are not the test's.
func tellAt(addr, method, target, body string, fields ...string) (status int, answer purgeAnswer, err error) {
	c, err := connect(addr)
	if err != nil {
		return 0, answer, err
	}
	defer c.conn.Close()
	if body != "" {
		fields = append(fields, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	r, err := c.exchange(request(method+" "+target, append(fields, "Connection: close")...) + body)
	if err != nil {
		return 0, answer, err
	}
	if strings.HasPrefix(r.body, "{") {
		err = json.NewDecoder(io.LimitReader(strings.NewReader(r.body), 1<<20)).Decode(&answer)
	}
	return r.status, answer, err
}

const isJSON = "Content-Type: application/json"

// purge sends POST /purge, and fails unless it is confirmed.
func (s *sidecar) purge(body string) purgeAnswer {
	s.t.Helper()
	status, answer := s.tell("POST", "/purge", body, isJSON)
	if status != 200 || !answer.Confirmed {
		s.t.Fatalf("purge %s: %d %+v", body, status, answer)
	}
	return answer
}

// steady are variables of sidecars whose contact with Redis a busy machine does not break.
var steady = []string{"COHERENCE_LEASE=2s"}

// pair starts two sidecars with one Redis.
func pair(t *testing.T, o *origin, r *redisServer, env ...string) (a, b *sidecar) {
	t.Helper()
	env = append(append([]string{o.env(), r.env()}, steady...), env...)
	return nearside(t, env...), nearside(t, env...)
}

// Each kind of purge reaches both tiers of both sidecars, and leaves alone what it is not about.
func TestPurgeKinds(t *testing.T) {
	t.Parallel()
	purgeKinds(t, newRedis(t).env())
}

func purgeKinds(t *testing.T, redis string) {
	t.Helper()
	o := newOrigin(t)
	all := []string{"/foods/1?a=1&b=2", "/foods/2", "/other"}
	o.says(all[0], reply("food", "Cache-Control: max-age=600", `Cache-Groups: "food-1", "foods"`, "Surrogate-Key: s1 s2"))
	o.says(all[1], reply("food", "Cache-Control: max-age=600", `Cache-Groups: "foods"`, "Cache-Tag: two words, c2"))
	o.says(all[2], reply("other", "Cache-Control: max-age=600", "xkey: x1 x2", "Edge-Cache-Tag: e1"))
	env := append([]string{o.env(), redis}, steady...)
	a, b := nearside(t, env...), nearside(t, env...)
	for _, c := range []struct {
		body string
		gone string // the indices of what is purged
	}{
		{`{"type":"uri","selectors":["/foods/1?a=1&b=2"]}`, "0"},
		{`{"type":"uri","selectors":["/foods/1?b=2&a=1","` + o.url("/other") + `"]}`, "02"},
		{`{"type":"uri","selectors":["/foods/1","/foods"]}`, ""},
		{`{"type":"prefix","selectors":["/foods/"]}`, "01"},
		{`{"type":"uri-prefix","selectors":["/foods/1?","/o"]}`, "02"},
		{`{"type":"tag","selectors":["food-1"]}`, "0"},
		{`{"type":"group","selectors":["foods","x2"]}`, "012"},
		{`{"type":"tag","selectors":["two words"]}`, "1"},
		{`{"type":"tag","selectors":["e1","s2","c2"]}`, "012"},
		{`{"type":"tag","selectors":["words","s","Foods"]}`, ""},
		{`{"type":"all"}`, "012"},
		{`{"type":"origin","selectors":[]}`, "012"},
	} {
		for _, path := range all { // in both L1s, and in L2
			a.get(path)
			a.settled()
			b.get(path)
			if got := b.get(path).cache(); got != "hit; detail=L1" {
				t.Fatalf("%s before %s: %s", path, c.body, got)
			}
		}
		if answer := a.purge(c.body); answer.Sidecars != 2 || answer.Position == "" || len(answer.Unconfirmed) > 0 {
			t.Errorf("%s: %+v", c.body, answer)
		}
		for i, path := range all {
			was := strings.Contains(c.gone, fmt.Sprint(i))
			for _, s := range []*sidecar{b, a} {
				if hit := strings.HasPrefix(s.get(path).cache(), "hit"); hit == was && s == b || was == false && !hit {
					t.Errorf("%s after %s: hit %v", path, c.body, hit)
				}
				s.settled()
			}
		}
	}
}

// The ways to ask: PURGE with a path or a URL, and the command.
func TestPurgeWays(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.says("/x//y", reply("body", "Cache-Control: max-age=600", "Cache-Tag: tag"))
	s := nearside(t, o.env(), "ADMIN_TOKEN=0123456789abcdef")
	token := "Authorization: Bearer 0123456789abcdef"
	env := []string{"ADMIN_ADDR=" + s.admin, "ADMIN_TOKEN=0123456789abcdef"}
	for name, purge := range map[string]func() (string, bool){
		"PURGE path": func() (string, bool) {
			status, answer := s.tell("PURGE", "/x//y", "", token)
			return fmt.Sprint(status), answer.Confirmed
		},
		"PURGE URL": func() (string, bool) {
			status, answer := s.tell("PURGE", o.url("/x//y"), "", token)
			return fmt.Sprint(status), answer.Confirmed
		},
		"purge -tag": func() (string, bool) {
			code, stdout, stderr := run(t, []string{"purge", "-tag", "other", "-tag", "tag", "-wait", "2s"}, env...)
			return stderr, code == 0 && strings.Contains(stdout, `"confirmed":true`)
		},
		"purge -uri": func() (string, bool) {
			code, stdout, stderr := run(t, []string{"purge", "-uri", "/x//y"}, env...)
			return stderr, code == 0 && strings.Contains(stdout, `"sidecars":1`)
		},
		"purge -prefix": func() (string, bool) {
			code, _, stderr := run(t, []string{"purge", "-prefix", "/x/"}, env...)
			return stderr, code == 0
		},
		"purge -all": func() (string, bool) {
			code, _, stderr := run(t, []string{"purge", "-all"}, env...)
			return stderr, code == 0
		},
	} {
		s.get("/x//y")
		s.settled()
		s.get("/x//y").wants(200, "hit; detail=L1", "body")
		if said, ok := purge(); !ok {
			t.Errorf("%s: %s", name, said)
		}
		if got := s.get("/x//y").cache(); !strings.HasPrefix(got, "fwd=uri-miss") {
			t.Errorf("after %s: %s", name, got)
		}
		s.settled()
	}
	for _, args := range [][]string{{"purge"}, {"purge", "-tag", "a", "-all"}, {"purge", "-x"}, {"purge", "-all", "more"}} {
		if code, _, stderr := run(t, args, env...); code != 2 || !strings.Contains(stderr, "nearside purge -help") {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
	if code, stdout, stderr := run(t, []string{"purge", "-tag", "a", "-tag", "caf\xe9"}, env...); code != 2 || stdout != "" || !strings.Contains(stderr, "UTF-8") {
		t.Errorf("a tag that is not UTF-8: exit %d, %s%s", code, stdout, stderr)
	}
	if code, _, stderr := run(t, []string{"purge", "-all"}, "ADMIN_ADDR="+s.admin); code != 1 || !strings.Contains(stderr, "401") {
		t.Errorf("without the token: exit %d, %s", code, stderr)
	}
	o.says("/purge", reply("hello"))
	if code, _, stderr := run(t, []string{"purge", "-all"}, "ADMIN_ADDR="+s.addr); code != 1 || !strings.Contains(stderr, "is ADMIN_ADDR right?") {
		t.Errorf("to the clients' listener: exit %d, %s", code, stderr)
	}
	if code, stdout, _ := run(t, []string{"purge", "-help"}); code != 0 || !strings.Contains(stdout, "-prefix") {
		t.Errorf("help: exit %d, %s", code, stdout)
	}
}

// What may not purge, and what is no purge.
func TestPurgeRefused(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.says("/x", reply("body", "Cache-Control: max-age=600"))
	open := nearside(t, o.env(), "PROBE_ADDR=127.0.0.1:0")
	closed := nearside(t, o.env(), "ADMIN_TOKEN=0123456789abcdef")
	for _, s := range []*sidecar{open, closed} {
		s.get("/x")
		s.settled()
	}
	const all = `{"type":"all"}`
	const token = "Authorization: Bearer 0123456789abcdef"
	for _, c := range []struct {
		s      *sidecar
		method string
		target string
		body   string
		fields []string
		want   int
	}{
		{closed, "POST", "/purge", all, []string{isJSON}, 401},
		{closed, "PURGE", "/x", "", nil, 401},
		{closed, "POST", "/purge", all, []string{isJSON, "Authorization: Bearer 0123456789abcdeF"}, 401},
		{closed, "POST", "/purge", all, []string{isJSON, "Authorization: Bearer"}, 401},
		{closed, "POST", "/purge", all, []string{isJSON, "Authorization: Basic 0123456789abcdef"}, 401},
		{closed, "POST", "/purge", all, []string{isJSON, token, "Origin: http://" + closed.admin}, 403},
		{closed, "POST", "/purge", all, []string{isJSON, token, "Sec-Fetch-Site: same-origin"}, 403},
		{open, "POST", "/purge", all, []string{isJSON, "Origin: null"}, 403},
		{open, "PURGE", "/x", "", []string{"Origin: http://evil.test"}, 403},
		{open, "POST", "/purge", all, []string{"Content-Type: text/plain"}, 415},
		{open, "POST", "/purge", all, nil, 415},
		{open, "GET", "/purge", "", nil, 405},
		{open, "PUT", "/purge", all, []string{isJSON}, 405},
		{open, "PURGE", "/x", "", []string{"Soft-Purge: soft"}, 400},
		{open, "POST", "/purge", `{"type":"all"} x`, []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"all","more":1}`, []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"everything"}`, []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"tag","selectors":[]}`, []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"tag","selectors":[""]}`, []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"tag","selectors":["a\nb"]}`, []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"tag","selectors":["a"],"selectors":["b"]}`, []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"tag","selectors":["a"],"Selectors":["b"]}`, []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"all","soft":true,"soft":false}`, []string{isJSON}, 400},
		{open, "POST", "/purge", "{\"type\":\"tag\",\"selectors\":[\"caf\xe9\"]}", []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"uri","selectors":["x"]}`, []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"uri","selectors":["http://evil.test/x"]}`, []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"all","wait":"2"}`, []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"all","wait":"1h"}`, []string{isJSON}, 400},
		{open, "POST", "/purge", `{"type":"tag","selectors":["` + strings.Repeat(`a","`, 10_000) + `a"]}`, []string{isJSON}, 413},
	} {
		status, answer := c.s.tell(c.method, c.target, c.body, c.fields...)
		if status != c.want || answer.Error == "" {
			t.Errorf("%s %s %.60s %q: %d %+v, want %d", c.method, c.target, c.body, c.fields, status, answer, c.want)
		}
	}
	if status, _, _ := tellAt(open.probes, "POST", "/purge", all, isJSON); status != 404 && status != 405 {
		t.Errorf("the probes' listener: %d", status)
	}
	if status, _, _ := tellAt(open.probes, "PURGE", "/x", ""); status == 200 {
		t.Error("the probes' listener purges")
	}
	open.get("/x").wants(200, "hit; detail=L1", "body")
	closed.get("/x").wants(200, "hit; detail=L1", "body")
	for _, s := range []*sidecar{open, closed} {
		status, answer := s.tell("POST", "/purge", `{"type":"tag","selectors":["`+strings.Repeat(`a","`, 9_999)+`a"]}`, isJSON, token)
		if status != 200 || !answer.Confirmed {
			t.Errorf("10,000 selectors: %d %+v", status, answer)
		}
	}
}

// What was purged softly is stale, as the response allows it to be used then; a conditional request brings it back.
func TestPurgeSoft(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.says("/swr", reply("old", "Cache-Control: max-age=600, stale-while-revalidate=60"), reply("new", "Cache-Control: max-age=600"))
	o.on("/etag", func(c *call) {
		if c.field("If-None-Match") == `"1"` {
			c.say(reply("", "Status: 304", `ETag: "1"`))
			return
		}
		c.say(reply("tagged", "Cache-Control: max-age=600", `ETag: "1"`))
	})
	o.says("/sie", reply("old", "Cache-Control: max-age=600, stale-if-error=600"), reply("no", "Status: 503"))
	a, b := pair(t, o, r)
	for _, path := range []string{"/swr", "/etag", "/sie"} {
		b.get(path)
	}
	b.settled()
	a.purge(`{"type":"all","soft":true}`)
	b.get("/swr").wants(200, "hit; detail=L1", "old")
	eventually(t, "refreshed", func() bool { return b.get("/swr").body == "new" })
	b.get("/etag").wants(200, "fwd=stale; fwd-status=304; stored", "tagged")
	b.settled()
	b.get("/etag").wants(200, "hit; detail=L1", "tagged")
	b.get("/sie").wants(200, "fwd=stale; fwd-status=503; detail=stale-if-error", "old")
	a.purge(`{"type":"all"}`)
	if got := b.get("/sie"); got.status != 503 {
		t.Errorf("hard, with the origin failing: %d %s", got.status, got.cache())
	}
	b.get("/etag").wants(200, "fwd=uri-miss; fwd-status=200; stored", "tagged")
}

// A fetch that began before a purge and ends after it brings nothing back, in neither tier, on no sidecar; who asks after
// the purge gets no part of it either.
func TestPurgeDuringAFetch(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"same", "other"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, r := newOrigin(t), newRedis(t)
			wait, open := gate(t)
			o.on("/x", func(c *call) {
				body := "new"
				if c.nth == 1 {
					body = "old"
					<-wait
				}
				c.say(reply(body, "Cache-Control: max-age=600"))
			})
			a, b := pair(t, o, r)
			purger := a
			if name == "other" {
				purger = b
			}
			first := make(chan *response, 1)
			go func() {
				c, err := connect(a.addr)
				if err != nil {
					first <- nil
					return
				}
				defer c.conn.Close()
				answer, _ := c.exchange(request("GET /x")) // nil: the test says so
				first <- answer
			}()
			eventually(t, "the first is at the origin", func() bool { return o.count("/x") == 1 })
			purger.purge(`{"type":"uri","selectors":["/x"]}`)
			late := make(chan string, 1)
			go func() { // it meets the fetch that is under way
				c, err := connect(a.addr)
				if err != nil {
					late <- err.Error()
					return
				}
				defer c.conn.Close()
				if answer, err := c.exchange(request("GET /x")); err == nil {
					late <- answer.body
				}
			}()
			time.AfterFunc(50*time.Millisecond, open)
			if got := <-first; got == nil || got.body != "old" {
				t.Errorf("who asked before the purge: %+v", got)
			}
			equal(t, "who asked after the purge", <-late, "new")
			a.settled()
			equal(t, "a", a.get("/x").body, "new")
			equal(t, "b", b.get("/x").body, "new")
			equal(t, "requests at the origin", o.count("/x"), 2)
		})
	}
}

// Unsafe requests through one sidecar are seen by all: their target, what the answer names, and its groups.
func TestUnsafeRequestsPurgeEverywhere(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	paths := []string{"/t", "/loc", "/cloc", "/grouped", "/kept"}
	for _, path := range paths {
		o.on(path, func(c *call) {
			c.readBody()
			if c.method == "PUT" {
				c.say(reply("done", "Location: /loc", "Content-Location: "+o.url("/cloc"), `Cache-Group-Invalidation: "g", "h"`))
				return
			}
			if c.target == "/grouped" {
				c.say(reply(fmt.Sprint(c.nth), "Cache-Control: max-age=600", `Cache-Groups: "f", "g"`, `Cache-Group-Invalidation: "k"`))
				return
			}
			c.say(reply(fmt.Sprint(c.nth), "Cache-Control: max-age=600", `Cache-Groups: "k"`))
		})
	}
	a, b := pair(t, o, r)
	for _, path := range paths {
		a.get(path)
		a.settled()
		b.get(path).wants(200, "hit; detail=L2", "1")
		b.get(path).wants(200, "hit; detail=L1", "1")
	}
	a.do("PUT /t", "Content-Length: 0").wants(200, "fwd=method; fwd-status=200", "done")
	for _, path := range paths[:4] {
		eventually(t, "b has heard of it", func() bool { return b.get(path).body != "1" })
		if got := a.get(path).body; got == "1" {
			t.Errorf("%s through the sidecar of the PUT is the old one", path)
		}
	}
	b.get("/kept").wants(200, "hit; detail=L1", "1")
}

// Without Redis the log is in the process.
func TestPurgeWithoutRedis(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.says("/x", reply("1", "Cache-Control: max-age=600"), reply("2", "Cache-Control: max-age=600"))
	for _, mode := range []string{"available", "strict"} {
		s := nearside(t, o.env(), "COHERENCE="+mode)
		s.get("/x")
		s.settled()
		if got := s.get("/x").cache(); got != "hit; detail=L1" {
			t.Errorf("%s: %s", mode, got)
		}
		answer := s.purge(`{"type":"uri","selectors":["/x"]}`)
		if answer.Sidecars != 1 || !strings.HasPrefix(answer.Position, "1@") {
			t.Errorf("%s: %+v", mode, answer)
		}
		s.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; stored", "2")
	}
}

// TAG_HEADERS says which fields list tags, TAG_HEADERS_FORWARD whether clients see them.
func TestTagHeaders(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.says("/x", reply("1", "Cache-Control: max-age=600", "Cache-Tag: a", "xkey: b"))
	s := nearside(t, o.env(), "TAG_HEADERS=xkey", "TAG_HEADERS_FORWARD=false")
	for range 2 {
		got := s.get("/x")
		if got.field("xkey") != "" || got.field("Cache-Tag") != "a" {
			t.Errorf("fields that clients see: %q", got.head)
		}
		s.settled()
	}
	s.purge(`{"type":"tag","selectors":["a"]}`)
	s.get("/x").wants(200, "hit; detail=L1", "1")
	s.purge(`{"type":"tag","selectors":["b"]}`)
	s.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; stored", "1")
	code, _, stderr := run(t, []string{"-check"}, o.env(), "TAG_HEADERS=xkey,X-Tag")
	if code != 2 || !strings.Contains(stderr, "TAG_HEADERS") || !strings.Contains(stderr, "X-Tag") {
		t.Errorf("TAG_HEADERS with an unknown field: exit %d, %s", code, stderr)
	}
}

// However many purges wait for a sidecar that says nothing, Redis is asked about it at a rate of its own.
func TestPurgesWaitTogether(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	a, b := pair(t, o, r)
	b.signal(syscall.SIGSTOP)
	defer b.signal(syscall.SIGCONT)
	var all sync.WaitGroup
	begun, before := time.Now(), r.Calls("evalsha")
	for i := range 200 {
		all.Go(func() {
			body := fmt.Sprintf(`{"type":"tag","selectors":["t%d"],"wait":"2s"}`, i)
			if _, answer, err := tellAt(a.admin, "POST", "/purge", body, isJSON); err != nil || answer.Confirmed || len(answer.Unconfirmed) != 1 {
				t.Errorf("%v %+v", err, answer)
			}
		})
	}
	all.Wait()
	n := r.Calls("evalsha") - before
	t.Logf("Redis was asked %d times in %v", n, time.Since(begun))
	if n > 1500 { // by themselves, they would ask 40,000 times
		t.Errorf("Redis was asked %d times", n)
	}
}

// A sidecar that cannot be reached is named, also when Redis has lost the list that it was in, or is away.
func TestPurgeNamesWhoIsCutOff(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.says("/x", reply("old", "Cache-Control: max-age=600"))
	v := newValve(t, r, func() time.Duration { return 0 })
	a := nearside(t, append([]string{o.env(), r.env()}, steady...)...)
	b := nearside(t, append([]string{o.env(), v.env()}, steady...)...)
	names := func(wait string) []string {
		_, answer := a.tell("POST", "/purge", `{"type":"uri","selectors":["/x"],"wait":"`+wait+`"}`, isJSON)
		if answer.Confirmed {
			return nil
		}
		return append(answer.Unconfirmed, fmt.Sprint(answer.Sidecars))
	}
	time.Sleep(2500 * time.Millisecond) // a looks who is there once in a lease
	for _, get := range []*sidecar{a, b} {
		get.get("/x")
		get.settled()
	}
	v.shut.Store(true)
	r.Kill()
	if n := names("100ms"); len(n) != 2 || n[1] != "2" {
		t.Errorf("while Redis is away, %q are named, want one of 2", n)
	}
	r.Start()
	if n := names("5s"); len(n) != 2 || n[1] != "2" {
		t.Errorf("when Redis has lost everything, %q are named, want one of 2", n)
	}
	b.get("/x").wants(200, "hit; detail=L1", "old") // that is why
	v.shut.Store(false)
	equal(t, "unconfirmed purges", a.metric(`purges_total{result="unconfirmed"}`), 2)
	eventually(t, "a purge is confirmed", func() bool { return names("5s") == nil })
	equal(t, "confirmed purges", a.metric(`purges_total{result="confirmed"}`), 1)
	if got := b.get("/x").cache(); strings.HasPrefix(got, "hit") {
		t.Errorf("after a confirmed purge: %s", got)
	}
}

// A purge that waits is answered when the sidecar stops, and does not hold that up.
func TestPurgeEndsWithTheSidecar(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	a, b := pair(t, o, r)
	b.signal(syscall.SIGSTOP)
	defer b.signal(syscall.SIGCONT)
	answered := make(chan purgeAnswer, 1)
	go func() {
		_, answer, err := tellAt(a.admin, "POST", "/purge", `{"type":"tag","selectors":["a"],"wait":"2m"}`, isJSON)
		if err != nil {
			t.Error(err)
		}
		answered <- answer
	}()
	eventually(t, "the log has it", func() bool { return a.metric("invalidation_position") > 0 })
	time.Sleep(100 * time.Millisecond) // who has not confirmed is known by then
	begun := time.Now()
	equal(t, "exit code", a.stop(), 0)
	if answer := <-answered; answer.Confirmed || answer.Position == "" || len(answer.Unconfirmed) != 1 {
		t.Errorf("%+v", answer)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

// What only L1 has, as the log in Redis was never there, is counted as that.
func TestFillsWithoutTheLog(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), noRedis(t)
	o.says("/x", reply("body", "Cache-Control: max-age=600"))
	s := nearside(t, o.env(), r.env())
	s.get("/x")
	s.settled()
	s.get("/x").wants(200, "hit; detail=L1", "body")
	equal(t, "fills", s.fills("stored"), 0)
	equal(t, "fills of L1 only", s.fills("l1-only"), 1)
}
