package environ

import "testing"

func TestDistance(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"A", "", 1},
		{"AB", "BA", 1},
		{"ABC", "ACB", 1},
		{"ABC", "AXC", 1},
		{"ABC", "ABXC", 1},
		{"ABC", "BC", 1},
		{"ABCD", "BADC", 2},
		{"CA", "ABC", 3},
		{"KITTEN", "SITTING", 3},
		{"A", "ABCDEFGHIJKL", 10},
	} {
		if got := distance(row.a, row.b, 9); got != row.want {
			t.Errorf("%s, %s: got %d, want %d", row.a, row.b, got, row.want)
		}
	}
}

func FuzzDistance(f *testing.F) {
	f.Add("UPSTREAM_URL", "UPSTREAM_ULR", uint8(3))
	f.Add("", "A", uint8(0))
	f.Fuzz(func(t *testing.T, a, b string, at uint8) {
		if len(a)+len(b) > 500 {
			t.Skip("quadratic")
		}
		limit := len(a) + len(b)
		d := distance(a, b, limit)
		if d != distance(b, a, limit) {
			t.Error("not symmetric")
		}
		if (d == 0) != (a == b) {
			t.Errorf("distance %d, but equal is %v", d, a == b)
		}
		if d > max(len(a), len(b)) || d < len(a)-len(b) || d < len(b)-len(a) {
			t.Errorf("%d is not between the difference and the maximum of the lengths", d)
		}
		if a == "" {
			return
		}
		i := int(at) % len(a)
		if d := distance(a, a[:i]+a[i+1:], limit); d != 1 {
			t.Errorf("a byte dropped: %d", d)
		}
		if i > 0 && a[i] != a[i-1] {
			if d := distance(a, a[:i-1]+a[i:i+1]+a[i-1:i]+a[i+1:], limit); d != 1 {
				t.Errorf("two bytes swapped: %d", d)
			}
		}
	})
}
