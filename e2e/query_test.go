package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// query composes a request with content.
func query(line, content string, fields ...string) string {
	return request(line, append(fields, fmt.Sprintf("Content-Length: %d", len(content)))...) + content
}

// searches has the origin answer with what it was asked, and these fields.
func searches(o *origin, fields ...string) {
	o.on("*", func(c *call) {
		c.readBody()
		c.say(reply(c.method+" "+c.target+" "+c.field("Content-Type")+" "+c.body, fields...))
	})
}

const typeJSON = "Content-Type: application/json"

// Responses to QUERY are stored by content and what describes it, and reused for QUERY only (RFC 10008 §2.7).
func TestQuery(t *testing.T) {
	inEverySetting(t, nil, func(w *world) {
		o, s := w.o, w.s
		searches(o, "Cache-Control: max-age=60", "Accept-Query: application/json", `ETag: "1"`)
		hit := "hit; detail=L1"
		if w.tiers == "L2" {
			hit = "hit; detail=L2"
		}
		miss := "fwd=uri-miss; fwd-status=200; stored"
		for _, row := range []struct{ raw, body string }{
			{query("QUERY /s", `{"a":1}`, typeJSON), `QUERY /s application/json {"a":1}`},
			{query("QUERY /s", `{"a":2}`, typeJSON), `QUERY /s application/json {"a":2}`},
			{query("QUERY /s", `{"a":1}`, "Content-Type: text/json"), `QUERY /s text/json {"a":1}`},
			{query("QUERY /s?x", `{"a":1}`, typeJSON), `QUERY /s?x application/json {"a":1}`},
			{query("QUERY /s", ""), `QUERY /s  `},
			{request("GET /s"), `GET /s  `},
		} {
			s.send(row.raw).wants(200, miss, row.body)
			s.settled()
			r := s.send(row.raw)
			r.wants(200, hit, row.body)
			equal(w.t, "Accept-Query", r.field("Accept-Query"), "application/json")
		}
		chunked := request("QUERY /s", typeJSON, "Transfer-Encoding: chunked") + "3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n"
		s.send(chunked).wants(200, hit, `QUERY /s application/json {"a":1}`)
		s.send(query("QUERY /s", `{"a":1}`, typeJSON, `If-None-Match: "1"`)).wants(304, hit, "")
		s.send(query("QUERY /s", `{"a":1}`, typeJSON, "Range: bytes=0-4")).wants(206, hit, "QUERY")
		equal(w.t, "status of only-if-cached", s.send(query("QUERY /s", `{"a":9}`, typeJSON, "Cache-Control: only-if-cached")).status, 504)
		s.send(query("POST /s", `{"a":1}`, typeJSON)).wants(200, "fwd=method; fwd-status=200", `POST /s application/json {"a":1}`)
		equal(w.t, "requests at the origin", o.count(""), 7)
	})
}

// A query that became stale is confirmed, or fetched anew, with its content.
func TestQueryRevalidation(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) {
		c.readBody()
		if c.field("If-None-Match") == `"1"` && c.body == "confirm" {
			c.say(reply("", "Status: 304", `ETag: "1"`, "Cache-Control: max-age=60"))
			return
		}
		c.say(reply(fmt.Sprint(c.body, c.nth), "Cache-Control: max-age=0, stale-while-revalidate=60", `ETag: "1"`))
	})
	s := nearside(t, o.env())
	for _, content := range []string{"confirm", "replace"} {
		target := "/" + content
		s.send(query("QUERY "+target, content)).wants(200, "fwd=uri-miss; fwd-status=200; stored", content+"1")
		s.settled()
		s.send(query("QUERY "+target, content)).wants(200, "hit; detail=L1", content+"1")
		s.settled()
		equal(t, "method of the refresh", o.last(target).method, "QUERY")
		equal(t, "content of the refresh", o.last(target).body, content)
		want := map[string]string{"confirm": "confirm1", "replace": "replace2"}[content]
		s.send(query("QUERY "+target, content)).wants(200, "hit; detail=L1", want)
		s.settled()
		contains(t, "validated", s.send(query("QUERY "+target, content, "Cache-Control: no-cache")).cache(), "fwd=request")
		equal(t, "content of the validation", o.last(target).body, content)
	}
}

// Content that is too large for a key is passed on whole, in both framings.
func TestQueryTooLarge(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) {
		c.readBody()
		c.say(reply(fmt.Sprint(len(c.body)), "Cache-Control: max-age=60"))
	})
	s := nearside(t, o.env(), "QUERY_MAX_BYTES=100KiB")
	c := dial(t, s.addr)
	for _, row := range []struct {
		size int
		want string
	}{
		{100 << 10, "fwd=uri-miss; fwd-status=200; stored"},
		{100<<10 + 1, "fwd=bypass; fwd-status=200; detail=too-large"},
		{3 << 20, "fwd=bypass; fwd-status=200; detail=too-large"},
	} {
		content := strings.Repeat("x", row.size)
		c.ask(query("QUERY /sized", content)).wants(200, row.want, fmt.Sprint(row.size))
		chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", row.size, content)
		if want := row.want; strings.Contains(want, "stored") {
			s.settled()
			c.ask(request("QUERY /sized", "Transfer-Encoding: chunked")+chunk).wants(200, "hit; detail=L1", fmt.Sprint(row.size))
		} else {
			c.ask(request("QUERY /sized", "Transfer-Encoding: chunked")+chunk).wants(200, want, fmt.Sprint(row.size))
		}
	}
	equal(t, "bytes held when all is done", s.metric("queued_bytes"), 0)

	tight := nearside(t, o.env(), "POOL_QUEUE_BYTES=10")
	tight.send(query("QUERY /tight", "a query")).wants(200, "fwd=bypass; fwd-status=200; detail=no-room", "7")
	half := dial(t, s.addr)
	if err := half.send(request("QUERY /cut", "Transfer-Encoding: chunked") + "5\r\nhal"); err != nil {
		t.Fatal(err)
	}
	half.conn.Close()
	s.get("/after").wants(200, "fwd=uri-miss; fwd-status=200; stored", "0")
	equal(t, "requests with half a content at the origin", o.count("/cut"), 0)
}

// A POST that a route declares to be a query is treated as one, and others on the same path are not.
func TestPostAsQuery(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	searches(o)
	rules := `ROUTES=[{"name": "search", "method": "POST", "path": "/v1/search", "query": true, "ttl": "1m"}]`
	s := nearside(t, o.env(), r.env(), rules)
	ask := query("POST /v1/search", `{"q":"apple"}`, typeJSON)
	want := `POST /v1/search application/json {"q":"apple"}`
	s.send(ask).wants(200, "fwd=uri-miss; fwd-status=200; stored", want)
	s.settled()
	s.send(ask).wants(200, "hit; detail=L1", want)
	other := nearside(t, o.env(), r.env(), rules)
	other.send(ask).wants(200, "hit; detail=L2", want)
	s.send(query("QUERY /v1/search", `{"q":"apple"}`, typeJSON)).wants(200, "fwd=uri-miss; fwd-status=200; detail=no-freshness", "QUERY"+want[4:])
	s.send(query("POST /v1/search", `{"q":"pear"}`, typeJSON)).wants(200, "fwd=uri-miss; fwd-status=200; stored", `POST /v1/search application/json {"q":"pear"}`)
	s.send(query("POST /v1/orders", `{}`, typeJSON)).wants(200, "fwd=method; fwd-status=200", `POST /v1/orders application/json {}`)
}
