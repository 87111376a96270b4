package redis

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// endpoint is what REDIS_URL says.
type endpoint struct {
	mode     string
	addrs    []string // host:port each, or one path of a socket
	db       int
	username string
	password string
	secure   bool // TLS
	insecure bool // any certificate will do

	master           string // what the sentinels call it
	sentinelUsername string
	sentinelPassword string
}

const wantURL = "want redis://[user:password@]host[:port][/db], rediss://… or unix:///path/to.sock"

// The query parameters that are understood. "addr" may come more than once.
var parameters = []string{"addr", "db", "master_name", "sentinel_username", "sentinel_password", "skip_verify"}

// parseURL reads REDIS_URL for a mode, or for the mode that it suggests when that is empty. The errors quote
// no part of the text that could hold a password.
func parseURL(text, mode string) (*endpoint, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New(wantURL) // net/url quotes what it was given
	}
	e := &endpoint{mode: mode, username: u.User.Username()}
	e.password, _ = u.User.Password()
	if u.Fragment != "" || strings.HasSuffix(text, "#") {
		return nil, errors.New("a # in it: in a password, write %23")
	}
	q := u.Query()
	for name, values := range q {
		switch {
		case !slices.Contains(parameters, name):
			return nil, fmt.Errorf("parameter %q: want one of %s", name, strings.Join(parameters, ", "))
		case len(values) > 1 && name != "addr":
			return nil, fmt.Errorf("parameter %q: stands in it twice", name)
		}
	}
	e.master = q.Get("master_name")
	e.sentinelUsername, e.sentinelPassword = q.Get("sentinel_username"), q.Get("sentinel_password")
	if e.mode == "" {
		e.mode = modeOf(q)
	}
	db := strings.Trim(u.Path, "/")
	if err := e.where(u, q["addr"]); err != nil {
		return nil, err
	}
	if u.Scheme == "unix" {
		db = ""
	}
	if db != "" && q.Has("db") {
		return nil, errors.New("the database stands in it twice: want /1 or ?db=1")
	}
	return e, e.details(cmp.Or(q.Get("db"), db), q.Get("skip_verify"))
}

// modeOf is the mode that a URL's parameters suggest.
func modeOf(q url.Values) string {
	switch {
	case q.Has("master_name"):
		return modeSentinel
	case q.Has("addr"):
		return modeCluster
	}
	return modeSingle
}

// where reads the addresses.
func (e *endpoint) where(u *url.URL, more []string) error {
	switch u.Scheme {
	case "unix":
		if u.Host != "" || u.Path == "" || e.mode != modeSingle || len(more) > 0 {
			return errors.New("want unix:///path/to.sock, of a single server")
		}
		e.addrs = []string{u.Path}
		return nil
	case "redis", "rediss":
	default:
		return fmt.Errorf("scheme %q: %s", u.Scheme, wantURL)
	}
	switch {
	case u.Hostname() == "":
		return errors.New("no host: " + wantURL)
	case strings.Contains(u.Host, ","):
		return errors.New("more than one address with commas: want host:port?addr=host:port&addr=…")
	}
	if e.mode == modeSingle && len(more) > 0 {
		return errors.New("more than one address for a single server")
	}
	port := map[string]string{modeSingle: "6379", modeCluster: "6379", modeSentinel: "26379"}[e.mode]
	if u.Port() != "" && !validPort(u.Port()) {
		return fmt.Errorf("port %q: want one from 1 to 65535", u.Port())
	}
	e.addrs = []string{net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))}
	for _, addr := range more {
		if host, p, err := net.SplitHostPort(addr); err != nil || host == "" || !validPort(p) {
			return fmt.Errorf("addr %q: want host:port", addr)
		}
		e.addrs = append(e.addrs, addr)
	}
	e.secure = u.Scheme == "rediss"
	return nil
}

func validPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// details reads what is left.
func (e *endpoint) details(db, skipVerify string) (err error) {
	if db != "" {
		if e.db, err = strconv.Atoi(db); err != nil || e.db < 0 {
			return fmt.Errorf("database %q: want a number", db)
		}
	}
	if skipVerify != "" {
		if e.insecure, err = strconv.ParseBool(skipVerify); err != nil {
			return fmt.Errorf("skip_verify %q: want true or false", skipVerify)
		}
		if e.insecure && !e.secure {
			return errors.New("skip_verify without TLS: want rediss://")
		}
	}
	switch {
	case e.mode == modeCluster && e.db != 0:
		return errors.New("a cluster has database 0 only")
	case e.mode == modeSentinel && e.master == "":
		return errors.New("no parameter master_name, which the sentinels need")
	case e.mode != modeSentinel && e.master+e.sentinelUsername+e.sentinelPassword != "":
		return errors.New("parameters for sentinels, but REDIS_MODE is " + e.mode)
	}
	return nil
}

// String says which Redis it is, without user and password.
func (e *endpoint) String() string {
	text := strings.Join(e.addrs, ",")
	if e.master != "" {
		text += " " + e.master
	}
	if e.db != 0 {
		text += " db " + strconv.Itoa(e.db)
	}
	if e.secure {
		text += " TLS"
	}
	return text + " (" + e.mode + ")"
}
