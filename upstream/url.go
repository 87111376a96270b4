package upstream

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// URL says where the origin listens. It is filled by UnmarshalText and
// compares with ==; the zero value is no URL at all, which [Config.Validate]
// refuses.
type URL struct {
	text      string // as it was written, for logs
	network   string // "tcp" or "unix"
	address   string // what is dialled: host:port, or the socket's path
	authority string // what goes upstream as Host unless the Config says otherwise
	hostname  string // the name a certificate must carry
	base      string // goes in front of every path; never ends in "/"
	tls       bool
}

const wantURL = "want http://host[:port][/base], https://host[:port][/base] or unix:///path/to.sock"

// UnmarshalText reads an http, https or unix URL. Userinfo, a query and a
// fragment are refused: nothing of them could be sent upstream. The error
// says what would be right, and quotes the text unless it holds a password.
func (u *URL) UnmarshalText(text []byte) error {
	parsed, err := parseURL(string(text))
	if err != nil {
		return err
	}
	*u = parsed
	return nil
}

// MarshalText returns what UnmarshalText was given.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.text), nil }

// String returns what UnmarshalText was given. It holds no secret: userinfo
// was refused.
func (u URL) String() string { return u.text }

// IsZero reports whether no URL was given.
func (u URL) IsZero() bool { return u == URL{} }

func parseURL(text string) (URL, error) {
	if path, ok := cutScheme(text, "unix://"); ok {
		return parseUnix(text, path)
	}
	p, err := url.Parse(text)
	switch {
	case err != nil:
		return URL{}, errors.New(wantURL) // net/url quotes what it was given, password and all
	case p.User != nil:
		return URL{}, errors.New("holds a user name or password: " + wantURL)
	case p.Scheme != "http" && p.Scheme != "https", p.Hostname() == "":
		return URL{}, errors.New(wantURL)
	case strings.ContainsAny(text, "?#"):
		return URL{}, errors.New("has a query or a fragment: " + wantURL)
	case !validPort(p):
		return URL{}, errors.New("want a port from 1 to 65535")
	}
	return fromParsed(text, p), nil
}

func fromParsed(text string, p *url.URL) URL {
	port := p.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[p.Scheme]
	}
	host, _, _ := strings.Cut(p.Hostname(), "%") // a zone means something on this machine only
	return URL{
		text:      text,
		network:   "tcp",
		address:   net.JoinHostPort(p.Hostname(), port),
		authority: authority(host, p.Port()),
		hostname:  host,
		base:      strings.TrimRight(p.EscapedPath(), "/"),
		tls:       p.Scheme == "https",
	}
}

func parseUnix(text, path string) (URL, error) {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#\x00") || strings.HasSuffix(path, "/") {
		return URL{}, errors.New(wantURL)
	}
	return URL{text: text, network: "unix", address: path, authority: "localhost", hostname: "localhost"}, nil
}

// cutScheme is strings.CutPrefix with the letter case of a scheme, which does
// not matter (RFC 3986 §3.1).
func cutScheme(text, scheme string) (string, bool) {
	if len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme) {
		return "", false
	}
	return text[len(scheme):], true
}

func validPort(p *url.URL) bool {
	if p.Port() == "" {
		return !strings.HasSuffix(p.Host, ":")
	}
	n, err := strconv.Atoi(p.Port())
	return err == nil && n >= 1 && n <= 65535
}

// authority is host[:port] as Host carries it: an IPv6 address in brackets
// (RFC 9110 §7.2, RFC 3986 §3.2.2).
func authority(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" {
		return host
	}
	return host + ":" + port
}
