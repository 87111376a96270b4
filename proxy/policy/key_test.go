package policy

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestAppendTarget(t *testing.T) {
	many := "/a?" + strings.Repeat("b&", 70) + "a"
	for _, row := range []struct {
		sort         bool
		ignore       string
		target, want string
	}{
		{false, "", "/a?b=1&a=2&utm_x=3", "/a?b=1&a=2&utm_x=3"},
		{true, "", "/a", "/a"},
		{true, "", "/a?", "/a?"},
		{true, "", "/a?b=1&a=2", "/a?a=2&b=1"},
		{true, "", "/a?b=1&&a=2", "/a?&a=2&b=1"},
		{true, "", "/a?b=2&a=1&b=1", "/a?a=1&b=2&b=1"},           // of one name the order may count
		{true, "", "/a?%62=2&a=1&b=1", "/a?a=1&%62=2&b=1"},       // also when it is spelt in two ways
		{true, "", "/a?b=1&%62=2", "/a?b=1&%62=2"},               //
		{true, "", "/a?a%=1&a=2", "/a?a=2&a%=1"},                 // no encoding
		{true, "", "/a?x+y=1&x%20=2&x=3", "/a?x=3&x%20=2&x+y=1"}, // a plus is a space
		{true, "", many, many},
		{false, "utm_*,fbclid", "/a?utm_source=x&b=1&fbclid=y&a=2", "/a?b=1&a=2"},
		{false, "utm_*,fbclid", "/a?utm_source=x", "/a"},
		{false, "utm_*,fbclid", "/a?utm_source=x&", "/a?"},
		{false, "utm_*,fbclid", "/a?u%74m_source=x&c", "/a?c"},
		{false, "utm_*,fbclid", "/a?fbclid2=1&utm=2&xfbclid=3", "/a?fbclid2=1&utm=2&xfbclid=3"},
		{false, "a b", "/a?a+b=1&a%20b=2&ab=3", "/a?ab=3"},
		{false, "*", "/a?b=1&c", "/a"},
		{true, "b", "/a?c=1&b=2&a=3", "/a?a=3&c=1"},
	} {
		c := &Config{SortQuery: row.sort}
		if row.ignore != "" {
			c.IgnoreParams = strings.Split(row.ignore, ",")
		}
		if got := c.AppendTarget([]byte("GET "), []byte(row.target)); string(got) != "GET "+row.want {
			t.Errorf("sort %v, ignore %q: %q is %q in a key, want %q", row.sort, row.ignore, row.target, got[4:], row.want)
		}
	}
}

func TestParameterNames(t *testing.T) {
	for name, ok := range map[string]bool{"utm_*": true, "fbclid": true, "a b": true, "*": true, "": false, "a*b": false, "a=b": false, "%61": false, "a&b": false} {
		if err := ParameterNames("V", []string{"x", name}); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// FuzzAppendTarget: two targets share a key only when they have the same parameters but for those that are ignored, each
// name's in the same order.
func FuzzAppendTarget(f *testing.F) {
	f.Add("/a?b=1&a=2", "/a?a=2&b=1")
	f.Add("/a?b=1&%62=2&utm_x=1", "/a?%62=2&b=1")
	f.Add("/a", "/a?utm_x")
	f.Add("/a?", "/a?&")
	c := &Config{SortQuery: true, IgnoreParams: []string{"utm_*", "x"}}
	f.Fuzz(func(t *testing.T, a, b string) {
		keyA, keyB := string(c.AppendTarget(nil, []byte(a))), string(c.AppendTarget(nil, []byte(b)))
		if keyA != keyB {
			return
		}
		if meaningA, meaningB := meaning(c, a), meaning(c, b); meaningA != meaningB {
			t.Errorf("%q and %q share the key %q, but mean %q and %q", a, b, keyA, meaningA, meaningB)
		}
	})
}

// meaning writes what an origin reads in a target, by another way than the key takes.
func meaning(c *Config, target string) string {
	path, query, _ := strings.Cut(target, "?")
	byName := map[string][]string{}
	pieces := strings.Split(query, "&")
	if len(pieces) > maxParameters {
		return target
	}
	for _, p := range pieces {
		name, _, _ := strings.Cut(p, "=")
		decoded := decode(name)
		if decoded == "x" || strings.HasPrefix(decoded, "utm_") || p == "" {
			continue
		}
		byName[decoded] = append(byName[decoded], p)
	}
	var out []string
	for name, values := range byName {
		out = append(out, url.QueryEscape(name)+" "+strings.Join(values, "&"))
	}
	slices.Sort(out)
	return path + "\n" + strings.Join(out, "\n")
}

// decode is url.QueryUnescape for names that hold no valid encoding, too.
func decode(name string) string {
	var out bytes.Buffer
	for i := 0; i < len(name); i++ {
		if one, err := url.QueryUnescape(name[i:min(i+3, len(name))]); err == nil && name[i] == '%' {
			out.WriteString(one)
			i += 2
			continue
		}
		if name[i] == '+' {
			out.WriteByte(' ')
			continue
		}
		out.WriteByte(name[i])
	}
	return out.String()
}

func TestAppendTargetAllocatesNothing(t *testing.T) {
	c := &Config{SortQuery: true, IgnoreParams: []string{"utm_*", "fbclid"}}
	target := []byte("/v1/foods?z=1&category=fruit&utm_source=x&a=2&page=3")
	dst := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { dst = c.AppendTarget(dst[:0], target) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppendTarget(b *testing.B) {
	c := &Config{SortQuery: true, IgnoreParams: []string{"utm_*", "fbclid"}}
	target := []byte("/v1/foods?z=1&category=fruit&utm_source=x&a=2&page=3")
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = c.AppendTarget(dst[:0], target)
	}
}
