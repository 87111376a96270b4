package policy

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nearside-cache/nearside/tiers"
)

func TestVaryOf(t *testing.T) {
	for _, row := range []struct {
		section, fields, vary string
		star                  bool
	}{
		{"9110 §12.5.5", "Vary: Accept", "accept", false},
		{"9110 §12.5.5 none", "X: y", "", false},
		{"9110 §12.5.5 several", "Vary: Origin, Accept-Encoding ,X-A", "accept-encoding,origin,x-a", false},
		{"9110 §12.5.5 several lines", "Vary: B | vary: a", "a,b", false},
		{"9110 §12.5.5 twice", "Vary: A, a | Vary: A", "a", false},
		{"9110 §5.6.1.2 empty members", "Vary: , ,a,, | Vary:", "a", false},
		{"9111 §4.1 *", "Vary: *", "", true},
		{"9111 §4.1 * among others", "Vary: a | Vary: b, *", "", true},
		{"9111 §4.1 no name", "Vary: a b", "", true},
		{"9111 §4.1 no name", `Vary: "*"`, "", true},
	} {
		if vary, star := VaryOf(fields(row.fields)); vary != row.vary || star != row.star {
			t.Errorf("%s: %q: %q %v, want %q %v", row.section, row.fields, vary, star, row.vary, row.star)
		}
	}
}

func TestVariant(t *testing.T) {
	for _, row := range []struct {
		section, vary, a, b string
		same                bool
	}{
		{"9111 §4.1", "x", "X: a", "x: a", true},
		{"9111 §4.1", "x", "X: a", "X: b", false},
		{"9112 §5 no space", "x", "X:a", "X: a", true},
		{"9111 §4.1", "x", "X: a", "X: A", false},
		{"9111 §4.1 other fields", "x", "X: a | Y: 1", "X: a | Y: 2", true},
		{"9111 §4.1 both", "x,y", "X: a | Y: 1", "Y: 1 | X: a", true},
		{"9111 §4.1 both", "x,y", "X: a | Y: 1", "X: a | Y: 2", false},
		{"9111 §4.1 absent", "x", "Y: 1", "Z: 1", true},
		{"9111 §4.1 absent is not empty", "x", "Y: 1", "X:", false},
		{"9111 §4.1 absent is not empty", "accept", "Y: 1", "Accept:", false},
		{"9111 §4.1 fields do not run together", "x,y", "X: a | Y: b", "X: a=b", false},
		{"9111 §4.1 fields do not run together", "x,y", "X: a", "Y: a", false},
		{"9111 §4.1 combined lines", "x", "X: a | X: b", "X: a, b", true},
		{"9111 §4.1 combined lines", "x", "X: a | Y: z | x: b", "X: a,b", true},
		{"9111 §4.1 combined lines", "x", "X: a | X: b", "X: b | X: a", false},
		{"9111 §4.1 white space", "x", "X: a , b", "X: a,b", true},
		{"9111 §4.1 white space", "x", "X: a b", "X: ab", false},
		{"9111 §4.1 white space", "x", "X: a  b", "X: a b", false},
		{"9111 §4.1 white space in quotes", "x", `X: "a, b"`, `X: "a,b"`, false},
		{"9111 §4.1 never closed", "x", `X: "a\`, `X: "a`, false},
		{"9111 §4.1 never closed", "accept", `Accept: a;b="c\`, `Accept: a;b="c`, false},
		{"9111 §4.1 white space behind quotes", "x", `X: "a" , "b"`, `X: "a","b"`, true},
		{"9111 §4.1 white space in quotes", "x", `X: "\", b"`, `X: "\",b"`, false},
		{"9111 §4.1 not a list", "user-agent", "User-Agent: A (b, c)", "User-Agent: A (b,c)", false},
		{"9111 §4.1 not a list", "cookie", "Cookie: a=1 ,b", "Cookie: a=1,b", false},
		{"9111 §4.1 not a list", "origin", "Origin: http://a", "Origin: http://a", true},
		{"9110 §12.5.3 order", "accept-encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: br,gzip", true},
		{"9110 §12.5.3 case", "accept-encoding", "Accept-Encoding: GZip", "Accept-Encoding: gzip", true},
		{"9110 §12.5.3 lines", "accept-encoding", "Accept-Encoding: br | Accept-Encoding: gzip", "Accept-Encoding: gzip, br", true},
		{"9110 §12.5.3 other members", "accept-encoding", "Accept-Encoding: gzip", "Accept-Encoding: gzip, br", false},
		{"9110 §12.5.3 empty members", "accept-encoding", "Accept-Encoding: ,gzip", "Accept-Encoding: gzip", true},
		{"9110 §12.5.3 empty members", "accept-encoding", "Accept-Encoding: ,gzip", "Accept-Encoding: ,gzix", false},
		{"9110 §12.5.3 empty members", "accept-encoding", "Accept-Encoding: ,gzip,,br,", "Accept-Encoding: br, gzip", true},
		{"9110 §12.5.3 no members", "accept-encoding", "Accept-Encoding: ,", "Accept-Encoding:", true},
		{"9110 §12.4.2 white space", "accept-encoding", "Accept-Encoding: gzip;q=0.5", "Accept-Encoding: gzip ; q=0.5", true},
		{"9110 §12.4.2 zeros", "accept-encoding", "Accept-Encoding: gzip;q=0.500", "Accept-Encoding: gzip;Q=0.5", true},
		{"9110 §12.4.2 zeros", "accept-encoding", "Accept-Encoding: gzip;q=0.0", "Accept-Encoding: gzip;q=0", true},
		{"9110 §12.4.2 one", "accept-encoding", "Accept-Encoding: gzip;q=1.000", "Accept-Encoding: gzip", true},
		{"9110 §12.4.2 weights", "accept-encoding", "Accept-Encoding: gzip;q=0.5", "Accept-Encoding: gzip;q=0.05", false},
		{"9110 §12.4.2 weights", "accept-encoding", "Accept-Encoding: gzip;q=0", "Accept-Encoding: gzip", false},
		{"9110 §12.4.2 no weight", "accept-encoding", "Accept-Encoding: gzip;q=0.:0", "Accept-Encoding: gzip;q=0.:", false},
		{"9110 §12.4.2 two weights", "accept-encoding", "Accept-Encoding: gzip;q=1;q=1", "Accept-Encoding: gzip;q=1", false},
		{"9110 §12.4.2 no weight", "accept-encoding", "Accept-Encoding: gzip;q=10", "Accept-Encoding: gzip;q=1", false},
		{"9110 §12.4.2 no weight", "accept-encoding", "Accept-Encoding: gzip;q=1.0000", "Accept-Encoding: gzip", false},
		{"9110 §5.6.6 no space in tokens", "accept-language", "Accept-Language: d e", "Accept-Language: de", false},
		{"9110 §12.5.4 case and order", "accept-language", "Accept-Language: de-AT, EN;q=0.8", "Accept-Language: en;q=0.8,de-at", true},
		{"9110 §12.5.4 order of weights", "accept-language", "Accept-Language: de;q=0.8, en", "Accept-Language: de, en;q=0.8", false},
		{"9110 §12.5.2", "accept-charset", "Accept-Charset: UTF-8, *;q=0.1", "Accept-Charset: *;q=0.10,utf-8", true},
		{"9110 §12.5.1 case of types", "accept", "Accept: Text/HTML, */*;q=0.5", "Accept: */*;q=0.5, text/html", true},
		{"9110 §12.5.1 case of names", "accept", "Accept: text/html;Level=1", "Accept: text/html;level=1", true},
		{"9110 §12.5.1 case of values", "accept", "Accept: text/html;level=A", "Accept: text/html;level=a", false},
		{"9110 §12.5.1 in quotes", "accept", `Accept: a/b;p="X, y"`, `Accept: a/b;p="x, y"`, false},
		{"9110 §12.5.1 in quotes", "accept", `Accept: a/b;p="x, y" , c/d`, `Accept: C/D,a/b; p="x, y"`, true},
		{"9110 §12.5.1 in quotes", "accept", `Accept: a/b;p="\", x", c/d`, `Accept: c/d, a/b;p="\", x"`, true},
		{"9110 §12.5.1 in quotes", "accept", `Accept: a/b;p="\", x", c/d`, `Accept: c/d, a/b;p="\",x"`, false},
		{"9110 §5.6.6 no space in tokens", "accept", `Accept: a b;c`, `Accept: ab;c`, false},
		{"9110 §12.4.2 no weight", "accept-encoding", "Accept-Encoding: gzip;q=1.x", "Accept-Encoding: gzip;q=1.y", false},
		{"9110 §12.4.2 no weight", "accept-encoding", "Accept-Encoding: gzip;q=1.5", "Accept-Encoding: gzip", false},
		{"9112 §5 odd lines", "x", "no colon | X: a", "X: a", true},
		{"9110 §12.5.1 in quotes", "accept", `Accept: a/b;p="x; y"`, `Accept: a/b;p="x;y"`, false},
		{"9110 §12.5.1 in quotes", "accept", `Accept: a/b;p=";q=1"`, `Accept: a/b;p="`, false},
	} {
		a, b := defaults.AppendVariant(nil, row.vary, fields(row.a)), defaults.AppendVariant(nil, row.vary, fields(row.b))
		if same := string(a) == string(b); same != row.same {
			t.Errorf("%s: %q and %q: %q, %q", row.section, row.a, row.b, a, b)
		}
	}
}

func TestVariantAppends(t *testing.T) {
	if got := defaults.AppendVariant(nil, "x", tiers.Header("Y: 1\r\nX: y")); string(got) != "=y\n" {
		t.Errorf("of a last line without its end: %q", got)
	}
	h := fields("Accept-Encoding: gzip, br | X: y")
	whole := defaults.AppendVariant(defaults.AppendVariant([]byte("kept"), "accept-encoding", h), "x", h)
	if want := "kept=br,gzip\n=y\n"; string(whole) != want {
		t.Errorf("%q, want %q", whole, want)
	}
}

// TestManyMembers: longer lists than are sorted still differ when they differ.
func TestManyMembers(t *testing.T) {
	var value strings.Builder
	for i := range 100 {
		value.WriteString("token" + strconv.Itoa(i) + "-" + strings.Repeat("x", 20) + ",")
	}
	a := defaults.AppendVariant(nil, "accept", fields("Accept: "+value.String()))
	b := defaults.AppendVariant(nil, "accept", fields("Accept: "+value.String()+"y"))
	if string(a) == string(b) || len(a) < value.Len()-1 {
		t.Errorf("%q, %q", a, b)
	}
}

func TestSuits(t *testing.T) {
	for _, row := range []struct {
		section, request, response, other string
		want                              bool
	}{
		{"9111 §4.1 matches", "Accept-Language: de", "Vary: Accept-Language | Content-Language: fr", "Accept-Language: de", true},
		{"9110 §12.5.4 liked best", "Accept-Language: de", "Vary: Accept-Language | Content-Language: de", "Accept-Language: fr;q=0.5, de", true},
		{"9110 §12.5.4 liked best", "Accept-Language: de", "Vary: Accept-Language | Content-Language: de-AT", "Accept-Language: DE, en;q=0.9", true},
		{"9110 §12.5.4 liked less", "Accept-Language: de", "Vary: Accept-Language | Content-Language: de", "Accept-Language: de;q=0.5, fr", false},
		{"9110 §12.5.4 not a prefix", "Accept-Language: de", "Vary: Accept-Language | Content-Language: den", "Accept-Language: de, fr;q=0.5", false},
		{"4647 §3.3.1 closest range", "Accept-Language: de", "Vary: Accept-Language | Content-Language: de-AT", "Accept-Language: de, de-AT;q=0.1", false},
		{"9110 §12.5.4 *", "Accept-Language: de", "Vary: Accept-Language | Content-Language: de", "Accept-Language: *", true},
		{"9110 §12.4.2 excluded", "Accept-Language: de", "Vary: Accept-Language | Content-Language: de", "Accept-Language: de;q=0", false},
		{"9110 §8.5 unknown", "Accept-Language: de", "Vary: Accept-Language", "Accept-Language: fr", false},
		{"9110 §8.5 several", "Accept-Language: de", "Vary: Accept-Language | Content-Language: de, en", "Accept-Language: de, fr;q=0.1", false},
		{"9110 §8.5 several", "Accept-Language: de", "Vary: Accept-Language | Content-Language: de-AT, en", "Accept-Language: de, fr;q=0.1", false},
		{"9110 §12.5.4 absent", "Accept-Language: de", "Vary: Accept-Language | Content-Language: de", "X: y", false},
		{"9110 §12.5.3 liked best", "Accept-Encoding: gzip", "Vary: Accept-Encoding | Content-Encoding: gzip", "Accept-Encoding: br, x-gzip", true},
		{"9110 §12.5.3 liked less", "Accept-Encoding: gzip", "Vary: Accept-Encoding | Content-Encoding: gzip", "Accept-Encoding: br, gzip;q=0.9", false},
		{"9110 §12.5.3 not accepted", "Accept-Encoding: gzip", "Vary: Accept-Encoding | Content-Encoding: gzip", "Accept-Encoding: br", false},
		{"9110 §12.5.3 not accepted", "Accept-Encoding: gzip", "Vary: Accept-Encoding | Content-Encoding: gzip", "X: y", false},
		{"9110 §12.5.3 identity", "Accept-Encoding: gzip", "Vary: Accept-Encoding", "X: y", true},
		{"9110 §12.5.3 identity", "Accept-Encoding: gzip", "Vary: Accept-Encoding", "Accept-Encoding: identity", true},
		{"9110 §12.5.3 identity", "Accept-Encoding: gzip", "Vary: Accept-Encoding", "Accept-Encoding: gzip;q=0", true},
		{"9110 §12.5.3 identity", "Accept-Encoding: gzip", "Vary: Accept-Encoding", "Accept-Encoding: br", false},
		{"9110 §12.5.3 identity excluded", "Accept-Encoding: gzip", "Vary: Accept-Encoding", "Accept-Encoding: *;q=0", false},
		{"other fields must match", "X: a", "Vary: X | Content-Language: de", "X: b | Accept-Language: de", false},
		{"other fields must match", "X: a | Accept-Language: de", "Vary: X, Accept-Language | Content-Language: de", "X: a | Accept-Language: de, fr;q=0.1", true},
		{"other fields must match", "X: a | Accept-Language: de", "Vary: X, Accept-Language | Content-Language: de", "X: b | Accept-Language: de, fr;q=0.1", false},
		{"nothing to match", "X: a", "ETag: x", "X: b", true},
	} {
		e := stored(t, defaults, row.request, "Cache-Control: max-age=60 | "+row.response, "")
		if got := defaults.Suits(e, fields(row.other)); got != row.want {
			t.Errorf("%s: %q suits %q: %v, want %v", row.section, row.response, row.other, got, row.want)
		}
	}
}

// model is the form in which requests are equal by rule, for values without quotes.
func model(name string, h tiers.Header) string {
	var all []string
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if tiers.EqualFold(n, name) {
			all = append(all, string(v))
		}
	}
	if len(all) == 0 {
		return "absent"
	}
	f := formOf(name)
	if f == singleton {
		return strconv.Quote(strings.Join(all, ","))
	}
	var members []string
	for _, m := range strings.Split(strings.Join(all, ","), ",") {
		m = strings.Trim(m, " \t")
		if f >= preferences {
			params := strings.Split(m, ";")
			for i, p := range params {
				key, value, has := strings.Cut(strings.Trim(p, " \t"), "=")
				if key = lowerASCII(key); f == preferences || strings.Contains(key, "=") {
					value = lowerASCII(value)
				}
				if params[i] = key; has {
					params[i] += "=" + value
				}
			}
			weights := slices.ContainsFunc(params[1:max(1, len(params)-1)], func(p string) bool { return strings.HasPrefix(p, "q=") })
			if last := len(params) - 1; last > 0 && strings.HasPrefix(params[last], "q=") && !weights {
				if q, ok := weight([]byte(params[last][2:])); ok && q == 1000 {
					params = params[:last]
				} else if ok {
					params[last] = "q=" + strconv.Itoa(q)
				}
			}
			m = strings.Join(params, ";")
			if m == "" {
				continue
			}
		}
		members = append(members, m)
	}
	if f >= preferences && len(members) <= maxSorted {
		slices.Sort(members)
	}
	return strconv.Quote(strings.Join(members, ","))
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lowerByte(c)
	}
	return string(b)
}

func FuzzVary(f *testing.F) {
	f.Add("gzip, br", "br,gzip ", uint8(2))
	f.Add("a/b;p=X;q=1.0, c", "c;q=0.50\na/b", uint8(0))
	f.Add(`"a, b" , c`, `"a, b",c`, uint8(4))
	f.Add("\n", ",", uint8(3))
	names := []string{"accept", "accept-charset", "accept-encoding", "accept-language", "x", "user-agent"}
	block := func(name, values string) (h tiers.Header) {
		for line := range strings.SplitSeq(values, "\n") {
			h = h.Append(name, strings.ReplaceAll(line, "\r", ""))
		}
		return h
	}
	f.Fuzz(func(t *testing.T, a, b string, which uint8) {
		name := names[int(which)%len(names)]
		ha, hb := block(name, a), block(name, b)
		va, vb := string(defaults.AppendVariant(nil, name, ha)), string(defaults.AppendVariant(nil, name, hb))
		if !strings.ContainsAny(a+b, `"`) {
			if want := model(name, ha) == model(name, hb); (va == vb) != want {
				t.Fatalf("%s: %q and %q are equal: %v, by rule: %v", name, va, vb, !want, want)
			}
		}
		// What is normal stays as it is.
		normal := strings.TrimSuffix(va[1:], "\n")
		if again := string(defaults.AppendVariant(nil, name, block(name, normal))); again != va && !strings.ContainsAny(a, `"`) {
			t.Fatalf("%s: %q becomes %q, that becomes %q", name, a, va, again)
		}
		if len(va) != 1+len(normal)+1 || va[0] != '=' || strings.Contains(normal, "\n") {
			t.Fatalf("%s: %q becomes %q", name, a, va)
		}
		if two := string(defaults.AppendVariant(nil, name+",z", append(ha, "Z: 1\r\n"...))); two != va+"=1\n" {
			t.Fatalf("%q, with another field %q", va, two)
		}
	})
}
