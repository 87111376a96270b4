package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/nearside-cache/nearside/proxy"
	"github.com/nearside-cache/nearside/tiers/invalidation"
)

// Limits of one purge.
const (
	maxPurgeBytes     = 16 << 20
	maxPurgeSelectors = 10_000
	maxPurgeWait      = 5 * time.Minute
)

// purgeRequest is what POST /purge takes: the types of draft-nottingham-http-invalidation, and this program's own names
// for them.
type purgeRequest struct {
	Type      string   `json:"type"`
	Selectors []string `json:"selectors"`
	Soft      bool     `json:"soft"`
	Wait      string   `json:"wait"`
}

// purgeAnswer is what a purge is answered with.
type purgeAnswer struct {
	Position    string   `json:"position"` // counter@generation; empty while it waits to be appended to the log
	Confirmed   bool     `json:"confirmed"`
	Sidecars    int      `json:"sidecars"`
	Unconfirmed []string `json:"unconfirmed,omitempty"`
}

// purger answers requests to purge.
type purger struct {
	handler *proxy.Handler
	log     *slog.Logger
}

// ServeHTTP answers PURGE <path-or-URL> and POST /purge.
func (p purger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q purgeRequest
	var err error
	if r.Method == "PURGE" {
		q = purgeRequest{Type: "uri", Selectors: []string{r.RequestURI}}
		q.Soft, err = softly(r.Header.Get("Soft-Purge"))
	} else {
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
			refuse(w, http.StatusUnsupportedMediaType, "want Content-Type: application/json")
			return
		}
		q, err = readPurge(http.MaxBytesReader(w, r.Body, maxPurgeBytes))
	}
	if err != nil {
		refuse(w, statusOf(err), err.Error())
		return
	}
	selectors, wait, err := p.parse(&q)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + time.Minute)) //nolint:errcheck // then the answer may be cut short
	result := p.handler.Invalidation.Purge(r.Context(), wait, q.Soft, selectors)
	p.log.Log(r.Context(), levelOf(selectors), "purged", "type", q.Type, "selectors", len(q.Selectors), "first", first(q.Selectors),
		"soft", q.Soft, "confirmed", result.Confirmed, "from", r.RemoteAddr)
	status := http.StatusOK
	if !result.Confirmed {
		status = http.StatusAccepted
	}
	answerJSON(w, status, answerOf(result))
}

// softly reads Soft-Purge, a field that Fastly made known with the value 1.
func softly(value string) (soft bool, err error) {
	if value == "" {
		return false, nil
	}
	if soft, err = strconv.ParseBool(value); err != nil {
		err = fmt.Errorf("Soft-Purge: %.20q: want 1 or 0", value)
	}
	return soft, err
}

// levelOf is the level at which a purge is logged: that the cache was emptied is what somebody will ask for.
func levelOf(selectors []invalidation.Selector) slog.Level {
	if selectors[0].Kind == invalidation.All {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%.200s", names[0])
}

func answerOf(r invalidation.Result) purgeAnswer {
	a := purgeAnswer{Confirmed: r.Confirmed, Sidecars: r.Sidecars, Unconfirmed: r.Unconfirmed}
	if r.Position.N > 0 {
		a.Position = fmt.Sprintf("%d@%016x", r.Position.N, r.Position.Gen)
	}
	return a
}

var errTooLarge = fmt.Errorf("larger than %d bytes, or more than %d selectors", maxPurgeBytes, maxPurgeSelectors)

func readPurge(body io.Reader) (q purgeRequest, err error) {
	text, err := io.ReadAll(body)
	if err == nil {
		q, err = parsePurge(text)
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large), len(q.Selectors) > maxPurgeSelectors:
		return q, errTooLarge
	case err != nil:
		return q, fmt.Errorf(`want {"type":"uri|prefix|tag|all","selectors":[…],"soft":false,"wait":"2s"}: %w`, err)
	}
	return q, nil
}

// parsePurge reads JSON more strictly than encoding/json, which drops the first of two members with one name, and
// replaces what is no UTF-8: both would confirm a purge of something else.
func parsePurge(text []byte) (purgeRequest, error) {
	if !utf8.Valid(text) {
		return purgeRequest{}, errors.New("not in UTF-8; what of a URL is not can be percent-encoded")
	}
	var q struct {
		Type      once[string]   `json:"type"`
		Selectors once[[]string] `json:"selectors"`
		Soft      once[bool]     `json:"soft"`
		Wait      once[string]   `json:"wait"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&q)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something behind the JSON object")
		}
	}
	return purgeRequest{q.Type.value, q.Selectors.value, q.Soft.value, q.Wait.value}, err
}

// once is a member of a JSON object that may be there once.
type once[T any] struct {
	value T
	given bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *once[T]) UnmarshalJSON(text []byte) error {
	if o.given {
		return fmt.Errorf("two members of one name, the second is %.80s", text)
	}
	o.given = true
	return json.Unmarshal(text, &o.value)
}

func statusOf(err error) int {
	if errors.Is(err, errTooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// parse checks what was asked for.
func (p purger) parse(q *purgeRequest) (selectors []invalidation.Selector, wait time.Duration, err error) {
	kind, err := invalidation.ParseKind(q.Type)
	if err != nil {
		return nil, 0, err
	}
	wait = p.handler.Invalidation.Wait()
	if q.Wait != "" {
		if wait, err = time.ParseDuration(q.Wait); err != nil || wait < 0 || wait > maxPurgeWait {
			return nil, 0, fmt.Errorf("wait: %q: want a duration from 0s to %v, such as 2s", q.Wait, maxPurgeWait)
		}
	}
	if kind == invalidation.All {
		return []invalidation.Selector{{Kind: invalidation.All}}, wait, nil
	}
	if len(q.Selectors) == 0 {
		return nil, 0, errors.New("no selectors")
	}
	for _, name := range q.Selectors {
		named, err := p.handler.Selectors(kind, name)
		if err != nil {
			return nil, 0, fmt.Errorf("selector %.80q: %w", name, err)
		}
		selectors = append(selectors, named...)
	}
	return selectors, wait, nil
}

func refuse(w http.ResponseWriter, status int, why string) {
	answerJSON(w, status, map[string]string{"error": why})
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) //nolint:errcheck // whoever asked has gone
}
