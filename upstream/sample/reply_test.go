package sample

import (
	"testing"
	"time"
)

func TestSettled(t *testing.T) {
	changed := time.Date(2026, 1, 2, 3, 4, 5, 600e6, time.UTC)
	for after, want := range map[time.Duration]bool{
		-time.Second:           false, // a clock that was set back
		0:                      false,
		399 * time.Millisecond: false,
		400 * time.Millisecond: true,
		time.Hour:              true,
	} {
		if got := settled(changed, changed.Add(after)); got.IsZero() == want {
			t.Errorf("%v after the change: %v", after, got)
		}
	}
}

// Foods that differ in nothing a client sees, or hold more than 100 g in 100 g, would be no realistic data.
func TestCatalogueIsPlausible(t *testing.T) {
	c := newCatalogue()
	seen := map[string]int{}
	for _, f := range c.foods {
		n := f.Nutrients
		if n.ProteinG+n.FatG+n.CarbsG+n.SaltG > 101 || n.SugarsG > n.CarbsG || n.FibreG > n.CarbsG || f.valid() != nil {
			t.Errorf("%+v", f)
		}
		if other := seen[f.Brand+f.Name]; other != 0 {
			t.Errorf("foods %d and %d are the same", other, f.ID)
		}
		seen[f.Brand+f.Name] = f.ID
	}
	all, _ := c.categories()
	for _, one := range all {
		if one.Foods < 200 {
			t.Errorf("%+v", one)
		}
	}
}
