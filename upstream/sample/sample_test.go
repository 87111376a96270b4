package sample_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/nearside-cache/nearside/upstream/sample"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// api is a server under test and a client of it.
type api struct {
	*sample.Server
	t      *testing.T
	client http.Client
}

func start(t *testing.T, delay time.Duration) *api {
	t.Helper()
	s, err := sample.Start("127.0.0.1:0", sample.Config{Delay: delay})
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &api{s, t, http.Client{Transport: tr}}
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

// do sends a request with the fields given as "Name: value".
func (a *api) do(method, target, body string, fields ...string) answer {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.URL()+target, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		req.Header.Set(name, value)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return answer{resp, string(b)}
}

func (a *api) get(target string, fields ...string) answer {
	a.t.Helper()
	return a.do("GET", target, "", fields...)
}

// read decodes a JSON body.
func read[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

type page struct {
	Page    int           `json:"page"`
	PerPage int           `json:"per_page"`
	Total   int           `json:"total"`
	Foods   []sample.Food `json:"foods"`
	Missing []int         `json:"missing"`
}

func ids(foods []sample.Food) (ids []int) {
	for _, f := range foods {
		ids = append(ids, f.ID)
	}
	return ids
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	a := start(t, -1)
	for _, c := range []struct{ target, groups, want string }{
		{"/", "", `"example":"/v1/foods/17"`},
		{"/v1/foods/17", `"food-17", "category-fruit"`, `{"id":17,"name":"Dried peach"`},
		{"/v1/foods", `"foods"`, `{"page":1,"per_page":20,"total":3000,"foods":[{"id":1,`},
		{"/v1/foods?category=fruit&page=2&per_page=5", `"foods", "category-fruit"`, `{"page":2,"per_page":5,"total":2`},
		{"/v1/foods?page=1000000", `"foods"`, `"total":3000,"foods":[]}`},
		{"/v1/foods/batch?ids=17,9999", `"food-17", "category-fruit"`, `"missing":[9999]}`},
		{"/v1/foods/batch?ids=9999", "", `{"foods":[],"missing":[9999]}`},
		{"/v1/categories", `"foods"`, `{"slug":"fruit","name":"Fruit","foods":2`},
		{"/v1/search?q=DRIED+peach", `"foods"`, `"name":"Dried peach"`},
		{"/v1/search?q=nothing-like-it", `"foods"`, `"total":0,"foods":[]}`},
	} {
		got := a.get(c.target)
		cc := got.Header.Get("Cache-Control")
		if got.StatusCode != 200 || !strings.Contains(got.body, c.want) || got.Header.Get("Cache-Groups") != c.groups ||
			got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Etag") == "" || got.Header.Get("Date") == "" {
			t.Errorf("GET %s: %d %v\n%.300s", c.target, got.StatusCode, got.Header, got.body)
		}
		if want := "max-age=60, stale-while-revalidate=30"; c.target != "/" && cc != want {
			t.Errorf("GET %s: Cache-Control: %s", c.target, cc)
		}
		head := a.do("HEAD", c.target, "")
		if head.StatusCode != 200 || head.body != "" || head.ContentLength != int64(len(got.body)) ||
			head.Header.Get("Etag") != got.Header.Get("Etag") || head.Header.Get("Last-Modified") != got.Header.Get("Last-Modified") {
			t.Errorf("HEAD %s: %d %v", c.target, head.StatusCode, head.Header)
		}
	}
}

func TestPagesCoverTheCatalogue(t *testing.T) {
	t.Parallel()
	a := start(t, -1)
	var seen []int
	next := "/v1/foods?per_page=100"
	for next != "" {
		got := a.get(next)
		seen = append(seen, ids(read[page](t, got).Foods)...)
		next = ""
		for _, link := range got.Header.Values("Link") {
			if target, ok := strings.CutSuffix(link, `>; rel="next"`); ok {
				next = target[1:]
			}
		}
	}
	if len(seen) != sample.Size || seen[0] != 1 || seen[sample.Size-1] != sample.Size || !slices.IsSorted(seen) {
		t.Errorf("%d foods, from %d to %d", len(seen), seen[0], seen[len(seen)-1])
	}
}

func TestBatchKeepsTheOrder(t *testing.T) {
	t.Parallel()
	a := start(t, -1)
	got := a.get("/v1/foods/batch?ids=3,1,2")
	if got := ids(read[page](t, got).Foods); !slices.Equal(got, []int{3, 1, 2}) {
		t.Errorf("ids %v", got)
	}
	if in := got.Header.Get("Cache-Groups"); !strings.HasPrefix(in, `"food-3", "food-1", "food-2", "category-`) {
		t.Errorf("Cache-Groups: %s", in)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	a := start(t, -1)
	for _, c := range []struct {
		method, target, body string
		status               int
		detail               string
	}{
		{"GET", "/nowhere", "", 404, "nothing at /nowhere"},
		{"GET", "/v1/foods/3001", "", 404, "no food 3001"},
		{"GET", "/v1/foods/017", "", 400, "no id"},
		{"GET", "/v1/foods/-1", "", 400, "no id"},
		{"GET", "/v1/foods/bread", "", 400, "no id"},
		{"GET", "/v1/foods?category=stones", "", 400, "category: there is no"},
		{"GET", "/v1/foods?page=0", "", 400, "page: want"},
		{"GET", "/v1/foods?per_page=101", "", 400, "per_page: want"},
		{"GET", "/v1/foods?page=", "", 400, "page: want"},
		{"GET", "/v1/foods?category=%zz", "", 400, "malformed"},
		{"GET", "/v1/foods/batch", "", 400, "ids: want"},
		{"GET", "/v1/foods/batch?ids=1,,2", "", 400, "no id"},
		{"GET", "/v1/foods/batch?ids=" + strings.Repeat("1,", 20) + "1", "", 400, "ids: want"},
		{"GET", "/v1/search?q=+", "", 400, "q: want"},
		{"POST", "/v1/search", `{"q":""}`, 400, "q: want"},
		{"POST", "/v1/search", `{"words":"a"}`, 400, "unknown field"},
		{"GET", "/v1/foods/3001/price", "", 404, "no food 3001"},
		{"POST", "/v1/foods", "{}", 405, "POST is not for"},
		{"DELETE", "/v1/foods/17", "", 405, "DELETE is not for"},
		{"PUT", "/v1/foods/3001", "{}", 404, "no food 3001"},
		{"PUT", "/v1/foods/17", "", 400, "not a JSON object"},
		{"PUT", "/v1/foods/17", "[]", 400, "not a JSON object"},
		{"PUT", "/v1/foods/17", "{} {}", 400, "goes on"},
		{"PUT", "/v1/foods/17", `{"colour":"red"}`, 400, "colour"},
		{"PUT", "/v1/foods/17", `{"id":18}`, 400, "id: it is 17"},
		{"PUT", "/v1/foods/17", `{"name":""}`, 400, "name: want"},
		{"PUT", "/v1/foods/17", `{"brand":""}`, 400, "brand: want"},
		{"PUT", "/v1/foods/17", `{"category":"stones"}`, 400, "category: there is no"},
		{"PUT", "/v1/foods/17", `{"serving_g":0}`, 400, "serving_g: want"},
		{"PUT", "/v1/foods/17", `{"nutrients":{"salt_g":-1}}`, 400, "nutrients: want"},
		{"PUT", "/v1/foods/17", `{"name":"` + strings.Repeat("x", 65<<10) + `"}`, 413, "more than"},
	} {
		before := a.get("/v1/foods/17").body
		got := a.do(c.method, c.target, c.body)
		p := read[struct {
			Title, Detail string
			Status        int
		}](t, got)
		if got.StatusCode != c.status || p.Status != c.status || p.Title != http.StatusText(c.status) || !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s %s: %d %s", c.method, c.target, got.StatusCode, got.body)
		}
		cc := "no-store"
		if c.status == 404 {
			cc = "max-age=10"
		}
		if h := got.Header; h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != cc ||
			h.Get("Cache-Groups")+h.Get("Etag")+h.Get("Cache-Group-Invalidation") != "" {
			t.Errorf("%s %s: %v", c.method, c.target, h)
		}
		if a.get("/v1/foods/17").body != before {
			t.Errorf("%s %s changed the food", c.method, c.target)
		}
	}
	for target, allow := range map[string]string{"/v1/foods": "GET, HEAD", "/v1/foods/17": "GET, HEAD, PUT"} {
		if got := a.do("POST", target, "").Header.Get("Allow"); got != allow {
			t.Errorf("%s: Allow: %s", target, got)
		}
	}
}

func TestSameInEveryProcess(t *testing.T) {
	t.Parallel()
	a := start(t, -1)
	h := sha256.New()
	for p := 1; p <= 30; p++ {
		_, _ = io.WriteString(h, a.get(fmt.Sprintf("/v1/foods?per_page=100&page=%d", p)).body)
	}
	// Changes only with the words or the shuffle: then set it anew.
	const want = "616269e3f18336f2"
	if got := hex.EncodeToString(h.Sum(nil)[:8]); got != want {
		t.Errorf("the catalogue's digest is %s, want %s", got, want)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	a := start(t, -1)
	const target = "/v1/foods/17"
	full := a.get(target)
	tag, modified := full.Header.Get("Etag"), full.Header.Get("Last-Modified")
	when, err := http.ParseTime(modified)
	if err != nil || strings.HasPrefix(tag, "W/") {
		t.Fatalf("ETag: %s, Last-Modified: %s", tag, modified)
	}
	earlier := when.Add(-time.Second).Format(http.TimeFormat)
	for _, c := range []struct {
		fields string
		status int
	}{
		{"If-None-Match: " + tag, 304},
		{`If-None-Match: "other", ` + tag, 304},
		{"If-None-Match: W/" + tag, 304}, // weak comparison, RFC 9110 §13.1.2
		{"If-None-Match: *", 304},
		{`If-None-Match: "other"`, 200},
		{"If-Modified-Since: " + modified, 304},
		{"If-Modified-Since: " + earlier, 200},
		{"If-Modified-Since: yesterday", 200},
		{`If-None-Match: "other"|If-Modified-Since: ` + modified, 200}, // the ETag decides, §13.2.2
		{"If-None-Match: " + tag + "|If-Modified-Since: " + earlier, 304},
		{`If-Match: "other"`, 412},
		{"Range: bytes=0-9", 206},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			got := a.do(method, target, "", strings.Split(c.fields, "|")...)
			if got.StatusCode != c.status {
				t.Errorf("%s with %s: %d", method, c.fields, got.StatusCode)
			}
			if c.status != 304 {
				continue
			}
			for _, f := range []string{"Etag", "Cache-Control", "Cache-Groups"} { // §15.4.5
				if got.Header.Get(f) != full.Header.Get(f) {
					t.Errorf("%s with %s: 304 with %v", method, c.fields, got.Header)
				}
			}
			if got.body != "" || got.Header.Get("Date") == "" {
				t.Errorf("%s with %s: 304 with %v %q", method, c.fields, got.Header, got.body)
			}
		}
	}
}

func TestPut(t *testing.T) {
	t.Parallel()
	a := start(t, -1)
	lists := []string{"/v1/foods?category=fruit&per_page=100", "/v1/foods/batch?ids=16,17", "/v1/search?q=peach&per_page=100"}
	tags := map[string]string{}
	for _, l := range lists {
		tags[l] = a.get(l).Header.Get("Etag")
	}
	was := a.get("/v1/foods/17")
	before := read[sample.Food](t, was)

	put := a.do("PUT", "/v1/foods/17", `{"name":"White peach","nutrients":{"salt_g":0.5}}`)
	if put.StatusCode != 200 || put.Header.Get("Cache-Group-Invalidation") != `"food-17", "foods"` || put.Header.Get("Etag") != "" {
		t.Errorf("PUT: %d %v", put.StatusCode, put.Header)
	}
	now := a.get("/v1/foods/17", "If-None-Match: "+was.Header.Get("Etag"))
	after := read[sample.Food](t, now)
	want := before
	want.Name, want.Nutrients.SaltG, want.Updated = "White peach", 0.5, after.Updated
	if after != want || now.body != put.body || time.Since(after.Updated) > time.Minute || now.Header.Get("Etag") == was.Header.Get("Etag") {
		t.Errorf("PUT gave %s, GET then %s", put.body, now.body)
	}
	for _, l := range lists {
		if got := a.get(l, "If-None-Match: "+tags[l]); got.StatusCode != 200 || !strings.Contains(got.body, "White peach") {
			t.Errorf("GET %s after the PUT: %d", l, got.StatusCode)
		}
	}

	// What a GET gave can be put back whole, and is a new version all the same.
	again := a.do("PUT", "/v1/foods/17", now.body)
	if f := read[sample.Food](t, again); again.StatusCode != 200 || !f.Updated.After(after.Updated) || f.Facts != after.Facts {
		t.Errorf("PUT of the same: %d %s", again.StatusCode, again.body)
	}
}

// A food that leaves a category takes its time with it: the category's list must not seem unchanged.
func TestPutIntoAnotherCategory(t *testing.T) {
	t.Parallel()
	a := start(t, -1)
	const target = "/v1/foods?category=fruit&per_page=100"
	was := a.get(target)
	a.do("PUT", "/v1/foods/17", `{"category":"snacks"}`)
	now := a.get(target, "If-Modified-Since: "+was.Header.Get("Last-Modified"))
	if now.StatusCode != 200 || read[page](t, now).Total != read[page](t, was).Total-1 {
		t.Errorf("GET after the PUT: %d %.200s", now.StatusCode, now.body)
	}
}

// TestSearchByPost: both ways to search find the same.
func TestSearchByPost(t *testing.T) {
	t.Parallel()
	a := start(t, -1)
	got := a.do("POST", "/v1/search", `{"q":"dried peach","page":1,"per_page":5}`)
	if want := a.get("/v1/search?q=dried+peach&per_page=5").body; got.StatusCode != 200 || got.body != want || !strings.Contains(want, "Dried peach") {
		t.Errorf("%d %s\nwant %s", got.StatusCode, got.body, want)
	}
}

// TestPrice: it says nothing about caching.
func TestPrice(t *testing.T) {
	t.Parallel()
	got := start(t, -1).get("/v1/foods/17/price")
	if got.StatusCode != 200 || got.body != "{\"id\":17,\"cents\":99}\n" {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	for _, name := range []string{"Cache-Control", "Expires", "Etag", "Last-Modified"} {
		if v := got.Header.Get(name); v != "" {
			t.Errorf("%s: %s", name, v)
		}
	}
}

func TestMe(t *testing.T) {
	t.Parallel()
	a := start(t, -1)
	one, two := a.get("/v1/me"), a.get("/v1/me")
	if cc := one.Header.Get("Cache-Control"); cc != "private, max-age=60" || one.body == two.body {
		t.Errorf("Cache-Control: %s, bodies %s%s", cc, one.body, two.body)
	}
}

func TestDelayAndCount(t *testing.T) {
	t.Parallel()
	a := start(t, 0)
	began := time.Now()
	tag := a.get("/v1/foods/17").Header.Get("Etag")
	a.get("/v1/foods/17", "If-None-Match: "+tag)
	a.get("/nowhere")
	if took := time.Since(began); took < 3*sample.DefaultDelay {
		t.Errorf("3 requests took %v", took)
	}
	if n := a.Requests(); n != 3 {
		t.Errorf("%d requests counted, want 3", n)
	}
}

func TestCloseDropsWhatIsInProgress(t *testing.T) {
	t.Parallel()
	a := start(t, time.Hour)
	failed := make(chan error, 1)
	go func() {
		resp, err := a.client.Get(a.URL() + "/")
		if err == nil {
			_ = resp.Body.Close()
		}
		failed <- err
	}()
	for a.Requests() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 2 {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-failed; err == nil {
		t.Error("the request in progress was answered")
	}
}

func TestStartOnATakenPort(t *testing.T) {
	t.Parallel()
	a := start(t, -1)
	_, err := sample.Start(strings.TrimPrefix(a.URL(), "http://"), sample.Config{})
	if err == nil || !strings.HasPrefix(err.Error(), "sample: ") {
		t.Errorf("error %v", err)
	}
}

// Readers and writers together; the race detector is the judge of it.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	a := start(t, -1)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 20 {
				if i%2 == 0 {
					a.do("PUT", "/v1/foods/17", fmt.Sprintf(`{"serving_g":%d}`, n+1))
					continue
				}
				a.get("/v1/foods/17")
				a.get("/v1/search?q=peach")
				a.get("/v1/categories")
			}
		})
	}
	wg.Wait()
}
