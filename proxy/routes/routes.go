// Package routes is what an operator says of an API route by route: how long responses last where the API does not say,
// what is not cached at all, what of a request tells it from others. Rules are JSON, read and checked once, and looked up
// for each request without an allocation.
package routes

import (
	"errors"
	"fmt"
	"os"

	"github.com/nearside-cache/nearside/proxy/policy"
)

// Config says where the rules are. The zero Config has none.
type Config struct {
	Rules string `env:"ROUTES" text:"true" doc:"rules by method and path, as a JSON array of objects; README, In front of your API, has their fields"`
	File  string `env:"ROUTES_FILE" doc:"file with the same, instead of ROUTES"`
}

// Validate reports all mistakes in all rules.
func (c *Config) Validate() error {
	_, err := c.Load()
	return err
}

// Load returns the rules. Its errors, joined, begin with the variable that they are about.
func (c *Config) Load() ([]Rule, error) {
	text, variable := []byte(c.Rules), "ROUTES"
	if c.File != "" {
		if c.Rules != "" {
			return nil, errors.New("ROUTES_FILE: ROUTES is set, too; want one of them")
		}
		variable = "ROUTES_FILE"
		var err error
		if text, err = os.ReadFile(c.File); err != nil {
			return nil, fmt.Errorf("%s: %w", variable, err)
		}
	}
	if len(text) == 0 && c.File == "" {
		return nil, nil
	}
	rules, errs := parse(text)
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s: %w", variable, err)
	}
	return rules, errors.Join(errs...)
}

// Route is what holds for a request: the rule that matched it, or what holds where none did.
type Route struct {
	Name   string        // the rule's; "" where none matched
	Bypass bool          // requests are passed
	Query  bool          // a POST is treated as QUERY (RFC 10008)
	Policy policy.Config // the operator's, changed by the rule
}

// Table finds the route of a request. It is not changed once it is made.
type Table struct {
	base   Route
	routes []Route
	root   *node // nil without rules
}

// NewTable makes the table of rules, of which the first that matches counts; base holds where none does.
func NewTable(rules []Rule, base policy.Config) *Table {
	t := &Table{base: Route{Policy: base}, routes: make([]Route, len(rules))}
	for i := range rules {
		t.routes[i] = rules[i].route(base)
		if t.root == nil {
			t.root = newNode()
		}
		t.root.add(rules[i].path, end{i, rules[i].methods})
	}
	return t
}

// Base returns the route of requests that no rule matches.
func (t *Table) Base() *Route { return &t.base }

// Find returns the route of a request for target, a path and perhaps a query. It allocates nothing, but for paths with
// what must be percent-encoded, or is, or dot segments.
func (t *Table) Find(method, target []byte) *Route {
	if t.root == nil {
		return &t.base
	}
	m := methodOf(method)
	if m == 0 || len(target) == 0 || target[0] != '/' {
		return &t.base
	}
	if i := t.root.find(pathOf(target), m, len(t.routes)); i < len(t.routes) {
		return &t.routes[i]
	}
	return &t.base
}
