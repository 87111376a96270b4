package sample

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Size is how many foods there are. Their ids are 1 to Size.
const Size = 3000

// Food is one record, as its JSON shows it.
type Food struct {
	ID int `json:"id"`
	Facts
	Updated time.Time `json:"updated"`
}

// Facts is the part of a record that a PUT may change.
type Facts struct {
	Name      string    `json:"name"`
	Brand     string    `json:"brand"`
	Category  string    `json:"category"`
	ServingG  int       `json:"serving_g"`
	Nutrients Nutrients `json:"nutrients"`
}

// Nutrients is what 100 g hold. The fibre is part of the carbohydrates.
type Nutrients struct {
	EnergyKcal float64 `json:"energy_kcal"`
	ProteinG   float64 `json:"protein_g"`
	FatG       float64 `json:"fat_g"`
	CarbsG     float64 `json:"carbs_g"`
	SugarsG    float64 `json:"sugars_g"`
	FibreG     float64 `json:"fibre_g"`
	SaltG      float64 `json:"salt_g"`
}

// Category is a category and how many foods are in it.
type Category struct {
	Slug  string `json:"slug"`
	Name  string `json:"name"`
	Foods int    `json:"foods"`
}

// catalogue holds the foods in the order of their ids. Nothing is ever added or removed.
type catalogue struct {
	mu       sync.RWMutex
	foods    [Size]Food
	modified time.Time // when any food last changed
}

// newCatalogue returns the same foods each time: a fixed shuffle of every variant of every basis by every
// brand, of which the first Size are taken.
func newCatalogue() *catalogue {
	type pick struct {
		of    *group
		basis basis
		as    variant
		brand string
	}
	var picks []pick
	for i := range groups {
		g := &groups[i]
		for _, b := range g.foods {
			for _, v := range g.variants {
				for _, brand := range brands {
					picks = append(picks, pick{g, b, v, brand})
				}
			}
		}
	}
	rng := rand.New(rand.NewPCG(2025, 39))
	rng.Shuffle(len(picks), func(i, j int) { picks[i], picks[j] = picks[j], picks[i] })

	c := &catalogue{}
	year := time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)
	for i := range c.foods {
		p := picks[i]
		c.foods[i] = Food{
			ID: i + 1,
			Facts: Facts{
				Name:      capitalised(fmt.Sprintf(p.as.format, p.basis.name)),
				Brand:     p.brand,
				Category:  p.of.slug,
				ServingG:  p.of.servingG,
				Nutrients: nutrients(p.basis, p.as.factor*(0.96+0.08*rng.Float64())),
			},
			Updated: year.Add(time.Duration(rng.IntN(365*24*3600)) * time.Second),
		}
		if c.foods[i].Updated.After(c.modified) {
			c.modified = c.foods[i].Updated
		}
	}
	return c
}

// nutrients scales b. The energy follows from the rest: 4 kcal/g for protein and carbohydrates, 9 for fat,
// 2 for fibre.
func nutrients(b basis, factor float64) Nutrients {
	g := func(x float64) float64 { return math.Round(x*factor*10) / 10 }
	n := Nutrients{ProteinG: g(b.protein), FatG: g(b.fat), CarbsG: g(b.carbs), SugarsG: g(b.sugars), FibreG: g(b.fibre), SaltG: g(b.salt)}
	n.EnergyKcal = math.Round(4*n.ProteinG + 9*n.FatG + 4*n.CarbsG - 2*n.FibreG)
	return n
}

func capitalised(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[n:]
}

// categoryName returns the name of the category, or "" if there is none.
func categoryName(slug string) string {
	for _, g := range groups {
		if g.slug == slug {
			return g.name
		}
	}
	return ""
}

// food returns the food with this id.
func (c *catalogue) food(id int) (Food, bool) {
	if id < 1 || id > Size {
		return Food{}, false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.foods[id-1], true
}

// find returns the foods that match, and when the catalogue last changed: a food that left the selection
// changes a list as well, and its time is not in the list.
func (c *catalogue) find(match func(*Food) bool) ([]Food, time.Time) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	found := []Food{}
	for i := range c.foods {
		if match(&c.foods[i]) {
			found = append(found, c.foods[i])
		}
	}
	return found, c.modified
}

// categories counts the foods of every category.
func (c *catalogue) categories() ([]Category, time.Time) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	count := map[string]int{}
	for i := range c.foods {
		count[c.foods[i].Category]++
	}
	all := make([]Category, len(groups))
	for i, g := range groups {
		all[i] = Category{g.slug, g.name, count[g.slug]}
	}
	return all, c.modified
}

// update replaces the facts of a food by what edit makes of them, unless edit returns an error.
func (c *catalogue) update(id int, edit func(*Facts) error) (Food, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.foods[id-1]
	if err := edit(&f.Facts); err != nil {
		return Food{}, err
	}
	// Later than before, even if the clock is not: the ETag must differ from that of every earlier version.
	now := time.Now().UTC().Truncate(time.Millisecond)
	if !now.After(f.Updated) {
		now = f.Updated.Add(time.Millisecond)
	}
	f.Updated = now
	c.foods[id-1] = f
	if now.After(c.modified) {
		c.modified = now
	}
	return f, nil
}

// valid says what is wrong with the facts, if anything is.
func (f *Facts) valid() error {
	n := f.Nutrients
	switch {
	case f.Name == "" || utf8.RuneCountInString(f.Name) > 120:
		return badRequest("name: want 1 to 120 characters")
	case f.Brand == "" || utf8.RuneCountInString(f.Brand) > 120:
		return badRequest("brand: want 1 to 120 characters")
	case categoryName(f.Category) == "":
		return badRequest("category: there is no %q; GET /v1/categories lists what there is", f.Category)
	case f.ServingG < 1 || f.ServingG > 5000:
		return badRequest("serving_g: want 1 to 5000")
	case min(n.EnergyKcal, n.ProteinG, n.FatG, n.CarbsG, n.SugarsG, n.FibreG, n.SaltG) < 0:
		return badRequest("nutrients: want numbers from 0")
	}
	return nil
}

// mentions reports whether each of the words, in lower case, is in the food's name, brand or category.
func (f *Food) mentions(words []string) bool {
	text := strings.ToLower(f.Name + "\n" + f.Brand + "\n" + f.Category)
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
