package sample

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// problem is an error that the client is told about: the problem details of RFC 9457.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`

	cacheControl string
}

func (p *problem) Error() string { return p.Detail }

// badRequest returns a 400. Nothing should keep it.
func badRequest(format string, args ...any) *problem {
	return newProblem(http.StatusBadRequest, "no-store", format, args...)
}

// notFound returns a 404. A cache may remember it for a little while, which spares the API a client that
// keeps asking.
func notFound(format string, args ...any) *problem {
	return newProblem(http.StatusNotFound, "max-age=10", format, args...)
}

func newProblem(status int, cacheControl, format string, args ...any) *problem {
	return &problem{http.StatusText(status), status, fmt.Sprintf(format, args...), cacheControl}
}

// fail answers with the problem that err is.
func fail(w http.ResponseWriter, err error) {
	var p *problem
	if !errors.As(err, &p) {
		p = newProblem(http.StatusInternalServerError, "no-store", "%v", err)
	}
	body, _ := json.Marshal(p) // two strings and a number
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", p.cacheControl)
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone needs no answer
}
