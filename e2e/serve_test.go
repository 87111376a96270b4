package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A miss is answered by the origin, fills L1, and the next request is answered from there: with the origin's
// own words, and the same bytes.
func TestMissFillHit(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())

	date := httpDate(-5 * time.Second)
	o.says("/v1/foods/17", "HTTP/1.1 200 Fine\r\n"+
		"X-Order: a\r\nDate: "+date+"\r\nContent-Type: application/json\r\nETag: \"v-1\"\r\nx-lower: Kept As It Is\r\n"+
		"X-Order: b\r\nCache-Control: max-age=60\r\nLink: </a>; rel=next\r\nX-Empty:\r\nlink: </b>; rel=prev\r\n"+
		"X-Order: c\r\nServer: origin/1\r\nContent-Length: 9\r\n\r\n{\"id\":17}")

	miss := s.get("/v1/foods/17")
	miss.wants(200, "fwd=uri-miss; fwd-status=200; stored", `{"id":17}`)
	s.settled()
	hit := s.get("/v1/foods/17")
	hit.wants(200, "hit; detail=L1", `{"id":17}`)
	equal(t, "requests at the origin", o.count(""), 1)

	for name, r := range map[string]*response{"miss": miss, "hit": hit} {
		equal(t, name+": Date", r.field("Date"), date)
		equal(t, name+": lines of X-Order, in order", r.field("X-Order"), "a, b, c")
		equal(t, name+": lines of Link, in order", r.field("Link"), "</a>; rel=next, </b>; rel=prev")
		contains(t, name, r.head, "ETag: \"v-1\"\r\n", "x-lower: Kept As It Is\r\n", "link: </b>; rel=prev\r\n",
			"X-Empty:", "Server: origin/1\r\n", "Content-Type: application/json\r\n", "Content-Length: 9\r\n")
		if ttl := r.ttl(); ttl < 45 || ttl > 55 {
			t.Errorf("%s: ttl %d of 60 s, 5 of them gone", name, ttl)
		}
		if via := r.field("Via"); !strings.HasPrefix(via, "1.1 nearside") {
			t.Errorf("%s: Via: %s", name, via)
		}
	}
	equal(t, "Age of what the origin just sent, without one", miss.field("Age"), "")
	if age := hit.age(); age < 5 || age > 15 {
		t.Errorf("hit: Age %d, and the Date is 5 s old", age)
	}
	const names = "Cache-Control Cache-Status Content-Length Content-Type Date ETag Link Server Via X-Empty X-Order X-Order X-Order link x-lower"
	equal(t, "names of the fields on the miss", fieldNames(miss.head), names)
	equal(t, "names of the fields on the hit", fieldNames(hit.head), "Age "+names)
}

// fieldNames returns the names of a head's lines in order of the alphabet.
func fieldNames(head string) string {
	var names []string
	for line := range strings.Lines(head) {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// The same in front of a real server, with its validators, its redirects and its errors.
func TestNginx(t *testing.T) {
	t.Parallel()
	big := "[" + strings.Repeat(`{"kcal":52},`, 100_000) + "null]"
	n := newNginx(t, map[string]string{"a.json": `{"name":"apple"}`, "big.json": big, "new.json": `{"new":true}`})
	s := nearside(t, n.env())

	miss := s.get("/data/a.json")
	miss.wants(200, "fwd=uri-miss; fwd-status=200; stored", `{"name":"apple"}`)
	s.settled()
	hit := s.get("/data/a.json")
	hit.wants(200, "hit; detail=L1", `{"name":"apple"}`)
	for _, name := range []string{"Date", "ETag", "Last-Modified", "Expires", "Cache-Control", "Content-Type", "Server"} {
		equal(t, name+" on the hit", hit.field(name), miss.field(name))
		if hit.field(name) == "" {
			t.Errorf("no %s on the hit", name)
		}
	}
	contains(t, "hit", hit.head, "ETag: ")

	s.get("/data/a.json", "If-None-Match: "+hit.field("ETag")).wants(304, "hit; detail=L1", "")
	s.do("HEAD /data/a.json").wants(200, "hit; detail=L1", "")
	s.get("/data/a.json", "Cache-Control: no-cache").wants(200, "fwd=request; fwd-status=304; stored", `{"name":"apple"}`)

	s.get("/data/big.json").wants(200, "fwd=uri-miss; fwd-status=200; stored", big)
	s.settled()
	s.get("/data/big.json").wants(200, "hit; detail=L1", big)

	moved := s.get("/old/x", "Host: app.test:8080")
	equal(t, "Location of nginx, led through the sidecar", moved.field("Location"), "http://app.test:8080/data/new.json")
	equal(t, "status of what is gone", s.get("/gone").status, 410)
	equal(t, "status of what is not there", s.get("/data/none.json").status, 404)

	n.sees("GET /data/a.json 200", "GET /data/a.json 304", "GET /data/big.json 200", "GET /old/x 301",
		"GET /gone 410", "GET /data/none.json 404")
}

// Fields that libraries like to think about arrive as the origin wrote them, and none is added.
func TestFieldsOfTheirOwn(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	for i, row := range []struct {
		answer, name, want string
	}{
		{"Content-Encoding: gzip | Content-Encoding: br", "Content-Encoding", "gzip, br"},
		{"Set-Cookie: a=1; Path=/; Odd | Set-Cookie: b=\"2\"; Secure | Set-Cookie: a=3", "Set-Cookie", "a=1; Path=/; Odd, b=\"2\"; Secure, a=3"},
		{"content-type: text/x; a=\"b\"", "Content-Type", "text/x; a=\"b\""},
		{"X-None: 1", "Content-Type", ""},
		{"X-None: 1", "Server", ""},
		{"Date: Tue, 01 Sep 2026 10:00:00 GMT", "Date", "Tue, 01 Sep 2026 10:00:00 GMT"},
		{"Vary: A | Vary: B", "Vary", "A, B"},
		{"Cache-Status: inner; hit", "Cache-Status", "inner; hit, nearside"},
		{"X-Odd:  spaces around\t", "X-Odd", "spaces around"},
		{"Content-MD5: x | Content-Language: de", "Content-Language", "de"},
	} {
		target := fmt.Sprintf("/fields/%d", i)
		o.says(target, reply("body", append(fields(row.answer), "Cache-Control: public, max-age=99999999")...))
		for _, from := range []string{"origin", "store"} {
			r := s.get(target)
			s.settled()
			got := r.field(row.name)
			if row.name == "Cache-Status" {
				got = got[:min(len(got), len(row.want))]
			}
			equal(t, fmt.Sprintf("%s, from the %s: %s", row.answer, from, row.name), got, row.want)
			equal(t, row.answer+": body", r.body, "body")
		}
	}
}
