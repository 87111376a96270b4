package policy

import (
	"errors"
	"fmt"
	"slices"
)

// unkeyed lists, by length, the request fields that frameworks take the target, the origin or the method
// from, though they are none of HTTP's: with them a client can make the answer to a Key another one.
// X-Forwarded-For and other names of the client are not among them.
var unkeyed = func() (byLength [32][]string) {
	for _, name := range []string{
		// the authority
		"forwarded", "x-forwarded", "x-forwarded-host", "x-forwarded-server", "x-host", "x-original-host", "x-host-override",
		"x-http-host-override", "x-backend-host",
		// the scheme and the port
		"x-forwarded-proto", "x-forwarded-protocol", "x-forwarded-scheme", "x-forwarded-port", "x-forwarded-ssl",
		"x-url-scheme", "x-scheme", "front-end-https",
		// the path
		"x-forwarded-prefix", "x-forwarded-path", "x-forwarded-uri", "x-forwarded-url", "x-original-url", "x-original-uri",
		"x-rewrite-url", "x-rewrite-uri", "x-override-url", "x-request-uri", "x-script-name",
		// the method
		"x-http-method-override", "x-http-method", "x-method-override", "x-original-method", "x-forwarded-method",
	} {
		byLength[len(name)] = append(byLength[len(name)], name)
	}
	return byLength
}()

// isUnkeyed tells whether name is one of the fields that change answers without being in the Key. Some
// origins read "_" as "-".
func isUnkeyed(name []byte) bool {
	if len(name) == 0 || len(name) >= len(unkeyed) || name[0]|0x20 != 'x' && name[0]|0x20 != 'f' { // all begin so
		return false
	}
	for _, s := range unkeyed[len(name)] {
		if equalDashed(name, s) {
			return true
		}
	}
	return false
}

// equalDashed tells whether name, of s's length, is s but for case, and for "_" where the other has "-".
func equalDashed(name []byte, s string) bool {
	for i, c := range name {
		if dashed(c) != dashed(s[i]) {
			return false
		}
	}
	return true
}

func dashed(c byte) byte {
	if c == '_' {
		return '-'
	}
	return lowerByte(c)
}

// Bypasses tells whether a request with the field is passed, since the field may change the answer: then [Unkeyed]
// holds for the request. Those that KEY_HEADERS names do not count, in exactly their spelling.
func (c *Config) Bypasses(name []byte) bool {
	return (isUnkeyed(name) || c.inBypassHeaders(name)) && !named(c.KeyHeaders, name)
}

func (c *Config) inBypassHeaders(name []byte) bool {
	for _, s := range c.BypassHeaders {
		if len(name) == len(s) && equalDashed(name, s) {
			return true
		}
	}
	return false
}

// Validate checks the lists of names, and what depends on several variables.
func (c *Config) Validate() error {
	errs := []error{
		fieldNames("TARGETED_CACHE_CONTROL", "CDN-Cache-Control", c.Targets),
		fieldNames("BYPASS_HEADERS", "X-Debug", c.BypassHeaders),
		fieldNames("CREDENTIAL_HEADERS", "X-Api-Key", c.CredentialHeaders),
		fieldNames("KEY_HEADERS", "X-Tenant", c.KeyHeaders),
		c.tagHeaders(),
		ParameterNames("KEY_IGNORE_PARAMS", c.IgnoreParams),
	}
	if n := len(c.CredentialSecret); n > 0 && n < 16 {
		errs = append(errs, errors.New("CREDENTIAL_SECRET: want at least 16 characters"))
	}
	return errors.Join(errs...)
}

// fieldNames checks that each of names is a token (RFC 9110 §5.1).
func fieldNames(variable, example string, names []string) error {
	i := slices.IndexFunc(names, func(s string) bool { return !IsFieldName(s) })
	if i < 0 {
		return nil
	}
	return fmt.Errorf("%s: %q is no field name, want names such as %s, separated by commas", variable, names[i], example)
}

// IsFieldName tells whether s can be the name of a field (RFC 9110 §5.1).
func IsFieldName(s string) bool { return isToken([]byte(s)) }
