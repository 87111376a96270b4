package policy

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"

	"github.com/nearside-cache/nearside/tiers"
)

// Authorization says what becomes of responses to requests with credentials.
type Authorization uint8

// The values of Authorization.
const (
	AuthorizationRFC Authorization = iota // shared, so stored only when the response allows that (RFC 9111 §3.5)
	PerCredential                         // stored for the one credential, as a private cache would
)

var authorizationNames = [...]string{"rfc", "per-credential"}

// String returns the value as the configuration spells it.
func (a Authorization) String() string { return authorizationNames[a] }

// MarshalText implements [encoding.TextMarshaler].
func (a Authorization) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (a *Authorization) UnmarshalText(text []byte) error {
	i := slices.Index(authorizationNames[:], string(text))
	if i < 0 {
		return errors.New("want rfc or per-credential")
	}
	*a = Authorization(i)
	return nil
}

// IsCredential tells whether CREDENTIAL_HEADERS names the request field. Authorization need not be named.
func (c *Config) IsCredential(name []byte) bool {
	return named(c.CredentialHeaders, name)
}

// hidden tells whether the values of a request field, whose name is in lower case, must not be stored as they are.
func (c *Config) hidden(name string) bool {
	return name == "authorization" || name == "cookie" || len(c.CredentialHeaders) > 0 && c.IsCredential([]byte(name))
}

// SetSecret sets the key of the hash that stands for credentials. It must be called before requests are served.
func (c *Config) SetSecret(key []byte) { c.secret = newSecret(key) }

// secret is a key of HMAC-SHA256 (RFC 2104), as what it puts before the text, so that hashing allocates nothing. A nil
// secret is the empty key.
type secret struct{ inner, outer [sha256.BlockSize]byte }

var emptySecret = newSecret(nil)

func newSecret(key []byte) *secret {
	if len(key) > sha256.BlockSize {
		sum := sha256.Sum256(key)
		key = sum[:]
	}
	s := &secret{}
	copy(s.inner[:], key)
	copy(s.outer[:], key)
	for i := range sha256.BlockSize {
		s.inner[i] ^= 0x36
		s.outer[i] ^= 0x5c
	}
	return s
}

// sum replaces what stands in b behind from by its HMAC.
func (s *secret) sum(b []byte, from int) []byte {
	if s == nil {
		s = emptySecret
	}
	n := len(b)
	b = append(b, s.inner[:]...) // room; the text moves behind the pad
	copy(b[from+len(s.inner):], b[from:n])
	copy(b[from:], s.inner[:])
	inner := sha256.Sum256(b[from:])
	b = append(append(b[:from], s.outer[:]...), inner[:]...)
	sum := sha256.Sum256(b[from:])
	return append(b[:from], sum[:]...)
}

// hide replaces what stands in b behind from by the beginning of its HMAC, as text.
func (s *secret) hide(b []byte, from int) []byte {
	b = s.sum(b, from)
	var half [16]byte
	copy(half[:], b[from:])
	return base64.RawURLEncoding.AppendEncode(b[:from], half[:])
}

// isPartitioned tells whether the request's credentials belong into its key.
func (c *Config) isPartitioned(req *Request) bool {
	return c.Authorization == PerCredential && req.Is(Authorized)
}

// appendCredentials appends the HMAC of all credentials of a request.
func (c *Config) appendCredentials(dst []byte, header tiers.Header) []byte {
	mark := len(dst)
	dst = appendField(dst, "authorization", header)
	for _, name := range c.CredentialHeaders {
		dst = appendField(dst, name, header)
	}
	return c.secret.sum(dst, mark)
}
