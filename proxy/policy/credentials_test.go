package policy

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPerCredential: where each credential has its own stored responses, they are stored as in a private cache.
func TestPerCredential(t *testing.T) {
	own := *defaults
	own.Authorization, own.CredentialHeaders = PerCredential, []string{"X-Api-Key"}
	shared := *defaults
	shared.CredentialHeaders = own.CredentialHeaders
	for _, row := range []struct {
		c                 *Config
		request, response string
		want              Reason
	}{
		{&own, "GET | Authorization: x", "Cache-Control: max-age=60", ReasonNone},
		{&own, "GET | Authorization: x", "Cache-Control: private, max-age=60", ReasonNone},
		{&own, "GET | X-Api-Key: x", "Cache-Control: private, max-age=60", ReasonNone},
		{&own, "GET | Authorization: x", "Cache-Control: no-store", ReasonNoStore},
		{&own, "GET | Authorization: x", "Cache-Control: max-age=60 | Set-Cookie: a=b", ReasonCookie},
		{&own, "GET", "Cache-Control: private, max-age=60", ReasonPrivate},
		{&own, "GET", "Cache-Control: max-age=60", ReasonNone},
		{&shared, "GET | Authorization: x", "Cache-Control: private, max-age=60", ReasonPrivate},
		{&shared, "GET | Authorization: x", "Cache-Control: max-age=60", ReasonAuthorized},
		{&shared, "GET | X-Api-Key: x", "Cache-Control: max-age=60", ReasonAuthorized},
		{&shared, "GET | X-Api-Key: x", "Cache-Control: max-age=60, public", ReasonNone},
	} {
		r, h := request(row.request)
		if h.Has("X-Api-Key") {
			r.Cond |= Authorized
		}
		row.c.AppendFacets(nil, r, h, nil)
		if _, why := row.c.NewEntry(r, h, response(row.c, row.response), atNoon); why != row.want {
			t.Errorf("%v: %q to %q: %v, want %v", row.c.Authorization, row.response, row.request, why, row.want)
		}
	}
}

// TestCredentialsInVariants: what is stored says which credential a response varies on, and never the credential.
func TestCredentialsInVariants(t *testing.T) {
	c := &Config{CredentialHeaders: []string{"X-Api-Key"}}
	c.SetSecret([]byte("0123456789abcdef"))
	other := &Config{}
	other.SetSecret([]byte("another key, too"))
	for _, name := range []string{"Authorization", "Cookie", "X-Api-Key"} {
		vary := strings.ToLower(name)
		a, b := c.AppendVariant(nil, vary, fields(name+": canary-1")), c.AppendVariant(nil, vary, fields(name+": canary-2"))
		again := c.AppendVariant(nil, vary, fields(name+": canary-1"))
		if bytes.Contains(a, []byte("canary")) || bytes.Equal(a, b) || !bytes.Equal(a, again) {
			t.Errorf("%s: %q and %q for different values, %q for the first one again", name, a, b, again)
		}
		if name != "X-Api-Key" && bytes.Equal(a, other.AppendVariant(nil, vary, fields(name+": canary-1"))) {
			t.Errorf("%s: the same with another secret", name)
		}
		if absent := c.AppendVariant(nil, vary, nil); string(absent) != "-\n" {
			t.Errorf("%s: %q when it is absent", name, absent)
		}
	}
	both := c.AppendVariant([]byte("kept"), "accept,cookie", fields("Cookie: canary | Accept: b"))
	if !bytes.HasPrefix(both, []byte("kept=b\n=")) || bytes.Contains(both, []byte("canary")) {
		t.Errorf("%q", both)
	}
}

func TestHMAC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "key")
		text := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "text")
		before := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "before")
		got := newSecret(key).sum(append(bytes.Clone(before), text...), len(before))
		mac := hmac.New(sha256.New, key)
		mac.Write(text)
		if want := mac.Sum(before); !bytes.Equal(got, want) {
			t.Fatalf("%x, want %x", got, want)
		}
	})
}

func TestAuthorizationText(t *testing.T) {
	for _, want := range []Authorization{AuthorizationRFC, PerCredential} {
		text, _ := want.MarshalText()
		var got Authorization
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Errorf("%s became %v, %v", text, got, err)
		}
	}
	if err := new(Authorization).UnmarshalText([]byte("basic")); err == nil || !strings.Contains(err.Error(), "per-credential") {
		t.Errorf("basic: %v", err)
	}
}

// facets are those of "METHOD | Name: value | …" with content.
func facets(c *Config, text, content string) string {
	r, h := request(text)
	return string(c.AppendFacets(nil, r, h, []byte(content)))
}

func TestFacets(t *testing.T) {
	plain := &Config{}
	own := &Config{Authorization: PerCredential, CredentialHeaders: []string{"X-Key"}}
	tenant := &Config{KeyHeaders: []string{"X-Tenant", "X-Zone"}}
	for _, row := range []struct {
		c    *Config
		a, b string // "request | fields ~ content"
		same bool
	}{
		{plain, "GET | Authorization: a", "GET", true},
		{own, "GET | Authorization: a", "GET", false},
		{own, "GET | Authorization: a", "GET | Authorization: b", false},
		{own, "GET | Authorization: a", "GET | authorization: a | Accept: x", true},
		{own, "GET | Authorization: a | X-Key: b", "GET | Authorization: b | X-Key: a", false},
		{own, "GET | Authorization: a | X-Key: b", "GET | X-Key: b | Authorization: a", true},
		{own, "GET | Authorization: a | X-Key: b | X-Key: c", "GET | Authorization: a | X-Key: b, c", false},
		{tenant, "GET | X-Tenant: a", "GET", false},
		{tenant, "GET | X-Tenant: a", "GET | X-Zone: a", false},
		{tenant, "GET | X-Tenant:", "GET", false},
		{tenant, "GET | x-tenant: a", "GET | X-TENANT: a", true},
		{plain, "QUERY ~ a", "QUERY ~ b", false},
		{plain, "QUERY ~ a", "QUERY ~ a", true},
		{plain, "QUERY | Content-Type: text/a ~ a", "QUERY | Content-Type: text/b ~ a", false},
		{plain, "QUERY | Content-Encoding: gzip ~ a", "QUERY ~ a", false},
		{plain, "QUERY | Content-Language: de ~ a", "QUERY | Content-Language: en ~ a", false},
		{plain, "QUERY | Content-Length: 1 ~ a", "QUERY | Transfer-Encoding: chunked ~ a", true},
		{plain, "QUERY | Content-A: bc ~ a", "QUERY | Content-Ab: c ~ a", false},
		{plain, "QUERY | Content-A: b | Content-A: c ~ a", "QUERY | Content-A: b, c ~ a", false},
	} {
		requestA, contentA, _ := strings.Cut(row.a, " ~ ")
		requestB, contentB, _ := strings.Cut(row.b, " ~ ")
		a, b := facets(row.c, requestA, contentA), facets(row.c, requestB, contentB)
		if (a == b) != row.same {
			t.Errorf("%q has %q, %q has %q; the same: want %v", row.a, a, row.b, b, row.same)
		}
		for _, f := range []string{a, b} {
			if f != "" && (!strings.HasPrefix(f, " #") || strings.Contains(f[1:], " ") || len(f) != 34) {
				t.Errorf("%q is no part of a key", f)
			}
		}
	}
	if f := facets(plain, "GET | Authorization: a", ""); f != "" {
		t.Errorf("%q for a request that the target alone tells from others", f)
	}
}

// TestFacetsAllocateNothing, once there is room for them.
func TestFacetsAllocateNothing(t *testing.T) {
	c := &Config{Authorization: PerCredential, KeyHeaders: []string{"X-Tenant"}}
	c.SetSecret([]byte("0123456789abcdef"))
	r, h := request("QUERY | Authorization: Bearer abc | X-Tenant: t | Content-Type: application/json")
	dst := make([]byte, 0, 1024)
	content := bytes.Repeat([]byte("x"), 1000)
	if n := testing.AllocsPerRun(100, func() { dst = c.AppendFacets(dst[:0], r, h, content) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFacets(b *testing.B) {
	for _, row := range []struct {
		name    string
		c       *Config
		request string
	}{
		{"none", &Config{}, "GET | Accept: */*"},
		{"credential", &Config{Authorization: PerCredential}, "GET | Authorization: Bearer 0123456789abcdef0123456789abcdef"},
		{"query", &Config{}, "QUERY | Content-Type: application/json"},
	} {
		b.Run(row.name, func(b *testing.B) {
			r, h := request(row.request)
			dst := make([]byte, 0, 1024)
			content := bytes.Repeat([]byte("x"), 200)
			b.ReportAllocs()
			for b.Loop() {
				dst = row.c.AppendFacets(dst[:0], r, h, content)
			}
		})
	}
}
