package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// StatusTTL gives freshness lifetimes to responses that give none themselves, by their status code. The zero
// StatusTTL gives none.
type StatusTTL []statusTTL

type statusTTL struct {
	status int
	ttl    time.Duration
}

// of returns the lifetime for status, and whether there is one.
func (s StatusTTL) of(status int) (time.Duration, bool) {
	for _, row := range s {
		if row.status == status {
			return row.ttl, true
		}
	}
	return 0, false
}

func (s StatusTTL) has(status int) bool {
	_, ok := s.of(status)
	return ok
}

// UnmarshalText reads "404:5s,410:1m".
func (s *StatusTTL) UnmarshalText(text []byte) error {
	var rows StatusTTL
	for item := range strings.SplitSeq(string(text), ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		row, err := parseStatusTTL(item)
		if err != nil {
			return fmt.Errorf("%q: %w", item, err)
		}
		if rows.has(row.status) {
			return fmt.Errorf("%q: %d is there twice; want each code once", item, row.status)
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b statusTTL) int { return cmp.Compare(a.status, b.status) })
	*s = rows
	return nil
}

func parseStatusTTL(item string) (row statusTTL, err error) {
	code, ttl, _ := strings.Cut(item, ":")
	row.status, err = strconv.Atoi(strings.TrimSpace(code))
	if err != nil || row.status < 200 || row.status > 599 {
		return row, errors.New("want STATUS:DURATION with a status code from 200 to 599, e.g. 404:5s")
	}
	switch row.status {
	case 206, 304, 416:
		return row, fmt.Errorf("%d is never stored by itself; want another code", row.status)
	case 400, 405, 413, 414, 417, 431, 501:
		return row, fmt.Errorf("one client's malformed request provokes %d, which must not be everybody's answer; want another code", row.status)
	}
	row.ttl, err = time.ParseDuration(strings.TrimSpace(ttl))
	if err != nil || row.ttl < 0 {
		return row, errors.New("want STATUS:DURATION with a unit, e.g. 404:5s")
	}
	return row, nil
}

// MarshalText writes what UnmarshalText reads.
func (s StatusTTL) MarshalText() ([]byte, error) {
	var b []byte
	for i, row := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%d:%v", row.status, row.ttl)
	}
	return b, nil
}
