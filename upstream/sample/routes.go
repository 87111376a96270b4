package sample

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Bounds of what one request may ask for. A batch of 20 has at most 32 groups, one a food and one a category,
// which is the number that every cache must be able to hold (RFC 9875 §2).
const (
	maxBatch   = 20
	maxPerPage = 100
	maxPage    = 1_000_000
	maxBody    = 64 << 10
)

// api answers the requests.
type api struct {
	foods   *catalogue
	visitor atomic.Uint64
}

// handler answers a request that it got at now, or returns a problem before it has written anything.
type handler func(w http.ResponseWriter, r *http.Request, now time.Time) error

// route is a path of the API and what it is for.
type route struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	About   string `json:"about"`
	Example string `json:"example"`
	handler handler
}

func (a *api) table() []route {
	return []route{
		{"GET", "/v1/foods/{id}", "one food", "/v1/foods/17", a.getFood},
		{"PUT", "/v1/foods/{id}", "changes the members that the body names", "/v1/foods/17", a.putFood},
		{"GET", "/v1/foods", "a page of the foods, of one category if named", "/v1/foods?category=fruit&page=2&per_page=20", a.listFoods},
		{"GET", "/v1/foods/batch", "up to 20 foods by their ids, in that order", "/v1/foods/batch?ids=1,2,3", a.getBatch},
		{"GET", "/v1/categories", "the categories, and how many foods each has", "/v1/categories", a.listCategories},
		{"GET", "/v1/search", "foods whose name, brand or category has every word of q", "/v1/search?q=organic+oat", a.search},
		{"POST", "/v1/search", "the same search, asked by a JSON object with q, page and per_page", "/v1/search", a.searchByPost},
		{"GET", "/v1/foods/{id}/price", "what a food costs; says nothing about caching", "/v1/foods/17/price", a.getPrice},
		{"GET", "/v1/me", "the caller's own page, which no shared cache may keep", "/v1/me", a.getMe},
	}
}

// routes returns the API as a handler. It does not use the mux's methods, because its own 404 and 405 are
// plain text.
func (a *api) routes() http.Handler {
	table := a.table()
	byPath := map[string]map[string]handler{"/{$}": {"GET": describe(table)}}
	for _, r := range table {
		if byPath[r.Path] == nil {
			byPath[r.Path] = map[string]handler{}
		}
		byPath[r.Path][r.Method] = r.handler
	}
	mux := http.NewServeMux()
	for path, methods := range byPath {
		mux.Handle(path, dispatch(methods))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, notFound("there is nothing at %s; GET / lists the routes", r.URL.Path))
	})
	return mux
}

// dispatch chooses by the method. HEAD is GET without the body, which net/http leaves out.
func dispatch(methods map[string]handler) http.Handler {
	var allow []string
	for m := range methods {
		allow = append(allow, m)
		if m == http.MethodGet {
			allow = append(allow, http.MethodHead)
		}
	}
	slices.Sort(allow)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		h, ok := methods[method]
		if !ok {
			w.Header().Set("Allow", strings.Join(allow, ", "))
			fail(w, newProblem(http.StatusMethodNotAllowed, "no-store", "%s is not for %s", r.Method, r.URL.Path))
			return
		}
		if err := h(w, r, time.Now()); err != nil {
			fail(w, err)
		}
	})
}

func describe(table []route) handler {
	about := map[string]any{
		"about":  "A food catalogue, made up: a slow API to put a cache in front of.",
		"foods":  Size,
		"routes": table,
	}
	return func(w http.ResponseWriter, r *http.Request, now time.Time) error {
		return reply(w, r, now, fixed, time.Time{}, about)
	}
}

func (a *api) getFood(w http.ResponseWriter, r *http.Request, now time.Time) error {
	f, err := a.lookup(r.PathValue("id"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Groups", list(foodGroup(f.ID), categoryGroup(f.Category)))
	return reply(w, r, now, shared, f.Updated, f)
}

// putFood merges the body into the food. It answers with no validator, because what is stored is not what
// was sent (RFC 9110 §9.3.4).
func (a *api) putFood(w http.ResponseWriter, r *http.Request, _ time.Time) error {
	f, err := a.lookup(r.PathValue("id"))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return newProblem(http.StatusRequestEntityTooLarge, "no-store", "the body has more than %d bytes", maxBody)
	}
	if err != nil {
		return badRequest("the body ended early")
	}
	f, err = a.foods.update(f.ID, func(facts *Facts) error { return merge(facts, f.ID, body) })
	if err != nil {
		return err
	}
	after, err := encode(f)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Group-Invalidation", list(foodGroup(f.ID), listings))
	_, _ = w.Write(after) // a client that has gone needs no answer
	return nil
}

// merge sets the facts that the JSON object in body names. It may hold a whole food, as a GET gave it: the
// id must then be the right one, and the time is of no account.
func merge(facts *Facts, id int, body []byte) error {
	edit := struct {
		ID *int `json:"id"`
		*Facts
		Updated json.RawMessage `json:"updated"`
	}{Facts: facts}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&edit); err != nil {
		return badRequest("the body is not a JSON object of a food's members: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the body goes on after its JSON object")
	}
	if edit.ID != nil && *edit.ID != id {
		return badRequest("id: it is %d, and cannot be changed", id)
	}
	return facts.valid()
}

func (a *api) listFoods(w http.ResponseWriter, r *http.Request, now time.Time) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	in := []string{listings}
	category := q.Get("category")
	if category != "" {
		if categoryName(category) == "" {
			return badRequest("category: there is no %q; GET /v1/categories lists what there is", category)
		}
		in = append(in, categoryGroup(category))
	}
	found, modified := a.foods.find(func(f *Food) bool { return category == "" || f.Category == category })
	return page(w, r, now, q, found, modified, in)
}

func (a *api) search(w http.ResponseWriter, r *http.Request, now time.Time) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	return a.searchFor(w, r, now, q)
}

// searchByPost is a search whose words stand in the content, so that a URL's length does not limit them.
func (a *api) searchByPost(w http.ResponseWriter, r *http.Request, now time.Time) error {
	var ask struct {
		Q       string `json:"q"`
		Page    int    `json:"page"`
		PerPage int    `json:"per_page"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&ask); err != nil {
		return badRequest("the body is not a JSON object with q, page and per_page: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	q := url.Values{"q": {ask.Q}}
	for name, n := range map[string]int{"page": ask.Page, "per_page": ask.PerPage} {
		if n != 0 {
			q.Set(name, strconv.Itoa(n))
		}
	}
	return a.searchFor(w, r, now, q)
}

func (a *api) searchFor(w http.ResponseWriter, r *http.Request, now time.Time, q url.Values) error {
	words := strings.Fields(strings.ToLower(q.Get("q")))
	if len(words) == 0 || len(words) > 10 {
		return badRequest("q: want 1 to 10 words")
	}
	found, modified := a.foods.find(func(f *Food) bool { return f.mentions(words) })
	return page(w, r, now, q, found, modified, []string{listings})
}

// page answers with the part of found that the query asks for, and links to its neighbours (RFC 8288).
func page(w http.ResponseWriter, r *http.Request, now time.Time, q url.Values, found []Food, modified time.Time, in []string) error {
	at, err := number(q, "page", 1, maxPage)
	if err != nil {
		return err
	}
	per, err := number(q, "per_page", 20, maxPerPage)
	if err != nil {
		return err
	}
	first := min((at-1)*per, len(found))
	last := min(first+per, len(found))
	link := func(to int, rel string) {
		q.Set("page", strconv.Itoa(to))
		w.Header().Add("Link", "<"+r.URL.Path+"?"+q.Encode()+`>; rel="`+rel+`"`)
	}
	if at > 1 {
		link(at-1, "prev")
	}
	if last < len(found) {
		link(at+1, "next")
	}
	w.Header().Set("Cache-Groups", list(in...))
	return reply(w, r, now, shared, modified, struct {
		Page    int    `json:"page"`
		PerPage int    `json:"per_page"`
		Total   int    `json:"total"`
		Foods   []Food `json:"foods"`
	}{at, per, len(found), found[first:last]})
}

func (a *api) getBatch(w http.ResponseWriter, r *http.Request, now time.Time) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	ids := strings.Split(q.Get("ids"), ",")
	if q.Get("ids") == "" || len(ids) > maxBatch {
		return badRequest("ids: want 1 to %d ids, with commas between them", maxBatch)
	}
	var (
		foods    = []Food{}
		missing  = []int{}
		modified time.Time
		in, also []string
	)
	for _, text := range ids {
		id, err := foodID(text)
		if err != nil {
			return err
		}
		f, ok := a.foods.food(id)
		if !ok {
			missing = append(missing, id)
			continue
		}
		foods = append(foods, f)
		in = append(in, foodGroup(id))
		also = append(also, categoryGroup(f.Category))
		if f.Updated.After(modified) {
			modified = f.Updated
		}
	}
	slices.Sort(also)
	if in = append(in, slices.Compact(also)...); len(in) > 0 {
		w.Header().Set("Cache-Groups", list(in...))
	}
	return reply(w, r, now, shared, modified, struct {
		Foods   []Food `json:"foods"`
		Missing []int  `json:"missing"`
	}{foods, missing})
}

func (a *api) listCategories(w http.ResponseWriter, r *http.Request, now time.Time) error {
	all, modified := a.foods.categories()
	w.Header().Set("Cache-Groups", list(listings))
	return reply(w, r, now, shared, modified, struct {
		Categories []Category `json:"categories"`
	}{all})
}

// getMe answers anew each time, so that an answer out of a cache is seen to be one.
func (a *api) getMe(w http.ResponseWriter, r *http.Request, now time.Time) error {
	return reply(w, r, now, private, time.Time{}, struct {
		Plan       string `json:"plan"`
		Favourites []int  `json:"favourites"`
		Visit      uint64 `json:"visit"`
	}{"free", []int{17, 42, 108}, a.visitor.Add(1)})
}

// getPrice answers without a word about caching, as many an API does.
func (a *api) getPrice(w http.ResponseWriter, r *http.Request, _ time.Time) error {
	f, err := a.lookup(r.PathValue("id"))
	if err != nil {
		return err
	}
	body, err := encode(struct {
		ID    int `json:"id"`
		Cents int `json:"cents"`
	}{f.ID, 99 + 50*(f.ID%17)})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a client that has gone needs no answer
	return nil
}

// lookup returns the food with the id that text is, or a problem.
func (a *api) lookup(text string) (Food, error) {
	id, err := foodID(text)
	if err != nil {
		return Food{}, err
	}
	f, ok := a.foods.food(id)
	if !ok {
		return Food{}, notFound("there is no food %d; they are 1 to %d", id, Size)
	}
	return f, nil
}

// foodID reads an id, which has one spelling only.
func foodID(text string) (int, error) {
	id, err := strconv.Atoi(text)
	if err != nil || id < 1 || strconv.Itoa(id) != text {
		return 0, badRequest("%q is no id: want a number from 1", text)
	}
	return id, nil
}

func query(r *http.Request) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query is malformed: %v", err)
	}
	return q, nil
}

// number reads a parameter from 1 to most.
func number(q url.Values, name string, unset, most int) (int, error) {
	if !q.Has(name) {
		return unset, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < 1 || n > most {
		return 0, badRequest("%s: want a number from 1 to %d", name, most)
	}
	return n, nil
}
