package sample

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// What the responses say about their freshness (RFC 9111 §5.2.2, RFC 5861).
const (
	shared  = "max-age=60, stale-while-revalidate=30"
	private = "private, max-age=60"
	fixed   = "max-age=3600"
)

// reply answers a GET or HEAD with v as JSON, or with the 304, 206 or 412 that the request's conditions ask
// for. The ETag is a digest of the body, so it is strong (RFC 9110 §8.8.3). now is a time from before v was
// read, and modified is when v last changed, or zero for no Last-Modified.
func reply(w http.ResponseWriter, r *http.Request, now time.Time, cacheControl string, modified time.Time, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", cacheControl)
	h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, "", settled(modified, now), bytes.NewReader(body))
	return nil
}

// settled returns the time for Last-Modified, or none while its second is not over: another change in the
// same second would go unseen by If-Modified-Since (RFC 9110 §8.8.2.2).
func settled(modified, now time.Time) time.Time {
	if now.Before(modified.Truncate(time.Second).Add(time.Second)) {
		return time.Time{}
	}
	return modified
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	return b.Bytes(), nil
}

// Groups (RFC 9875). A food's own group is on every response that shows it by its id; its category's too.
// The group of listings is on every response that a change of any food may change.
const listings = "foods"

func foodGroup(id int) string              { return fmt.Sprintf("food-%d", id) }
func categoryGroup(category string) string { return "category-" + category }

// list returns a Structured Field List of Strings (RFC 9651 §3.1). No group has a character to escape.
func list(groups ...string) string {
	return `"` + strings.Join(groups, `", "`) + `"`
}
