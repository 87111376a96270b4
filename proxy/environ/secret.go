package environ

import (
	"fmt"
	"net/url"
	"strings"
)

// secrecy is what must not be printed of a value.
type secrecy int

const (
	public secrecy = iota
	whole
	credentials // those within a URL
)

const redacted = "***"

func readSecrecy(tag string) (secrecy, error) {
	switch tag {
	case "":
		return public, nil
	case "true":
		return whole, nil
	case "url":
		return credentials, nil
	}
	return public, fmt.Errorf("tag secret: want true or url, not %q", tag)
}

// redact returns text as it may be printed.
func (s secrecy) redact(text string) string {
	switch {
	case text == "" || s == public:
		return text
	case s == whole:
		return redacted
	}
	return RedactURL(text)
}

// RedactURL replaces the password of a URL by ***, or all of the user information when there is no user name, and the
// values of query parameters whose names speak of passwords, secrets, tokens or keys. It looks at the text alone, since
// a URL with a password that was not escaped does not parse; in doubt (an "@" in the path) it hides too much.
func RedactURL(text string) string {
	shown, _ := splitURL(text)
	return shown
}

// splitURL returns the URL without its secrets, and the secrets.
func splitURL(text string) (shown string, secrets []string) {
	scheme, rest, ok := strings.Cut(text, "://")
	if ok {
		scheme += "://"
	} else {
		scheme, rest = "", text
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, password, ok := strings.Cut(rest[:at], ":")
		if !ok {
			user, password = "", user
		} else {
			user += ":"
		}
		if password != "" {
			secrets = append(secrets, password)
			rest = user + redacted + rest[at:]
		}
	}
	path, query, ok := strings.Cut(rest, "?")
	if !ok {
		return scheme + rest, secrets
	}
	params := strings.Split(query, "&")
	for i, param := range params {
		name, value, _ := strings.Cut(param, "=")
		if value != "" && telling(name) {
			secrets = append(secrets, value)
			params[i] = name + "=" + redacted
		}
	}
	return scheme + path + "?" + strings.Join(params, "&"), secrets
}

func telling(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"pas", "pwd", "secret", "token", "auth", "key"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// telltale is the length from which a piece of a secret is hidden. Parsers quote pieces (`invalid port ":pass"`), and
// shorter pieces are in every sentence. A secret that is shorter itself is hidden as a whole, unless it is one byte.
const telltale = 4

// scrub hides what text, written by others, has in common with a secret.
func (s *spec) scrub(text string) string {
	for _, v := range s.vars {
		if v.secret == credentials && v.text != "" {
			text = strings.ReplaceAll(text, v.text, RedactURL(v.text))
		}
	}
	secrets := s.secrets()
	var b strings.Builder
	for len(text) > 0 {
		n := 0
		for _, secret := range secrets {
			n = max(n, overlap(text, secret))
		}
		if n > 0 {
			b.WriteString(redacted)
		} else {
			n = 1
			b.WriteByte(text[0])
		}
		text = text[n:]
	}
	return b.String()
}

// secrets lists what may not be printed of all values, as it was written and as a parser of URLs would print it.
func (s *spec) secrets() []string {
	var all []string
	for _, v := range s.vars {
		switch v.secret {
		case whole:
			all = append(all, v.text)
		case credentials:
			_, found := splitURL(v.text)
			for _, secret := range found {
				all = append(all, secret)
				if plain, err := url.PathUnescape(secret); err == nil {
					all = append(all, plain)
				}
			}
		}
	}
	return all
}

// overlap is the length of the longest start of text that is a piece of secret, or 0 when it tells too little.
func overlap(text, secret string) int {
	least := min(telltale, len(secret))
	if least < 2 {
		return 0
	}
	n := least
	for n <= len(text) && strings.Contains(secret, text[:n]) {
		n++
	}
	if n == least {
		return 0
	}
	return n - 1
}
