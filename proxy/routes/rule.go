package routes

import (
	"strings"
	"time"

	"github.com/nearside-cache/nearside/proxy/policy"
)

// Rule is one rule, as it was written. What is nil or empty changes nothing.
type Rule struct {
	name    string
	methods methods
	path    string

	ttl                  *time.Duration
	staleWhileRevalidate *time.Duration
	staleIfError         *time.Duration
	override             bool

	bypass bool
	query  bool

	sortQuery    *bool
	ignoreParams []string
	keyHeaders   []string
	tags         []string
}

// route is what holds where the rule matches.
func (r *Rule) route(base policy.Config) Route {
	c := base
	if r.ttl != nil {
		c.DefaultTTL = *r.ttl
		if *r.ttl == 0 {
			c.HeuristicFraction = 0
		}
	}
	setTo(&c.StaleWhileRevalidate, r.staleWhileRevalidate)
	setTo(&c.StaleIfError, r.staleIfError)
	setTo(&c.SortQuery, r.sortQuery)
	if r.override {
		c.Override = r.overriding()
	}
	c.IgnoreParams = concat(c.IgnoreParams, r.ignoreParams)
	c.KeyHeaders = concat(c.KeyHeaders, r.keyHeaders)
	for _, tag := range r.tags {
		c.Tags += tag + "\n"
	}
	return Route{Name: r.name, Bypass: r.bypass, Query: r.query, Policy: c}
}

// overriding is what the rule says in place of the response.
func (r *Rule) overriding() (d policy.Directives) {
	for _, v := range []struct {
		bit  policy.Directive
		to   *time.Duration
		from *time.Duration
	}{
		{policy.DirMaxAge, &d.MaxAge, r.ttl},
		{policy.DirStaleWhileRevalidate, &d.StaleWhileRevalidate, r.staleWhileRevalidate},
		{policy.DirStaleIfError, &d.StaleIfError, r.staleIfError},
	} {
		if v.from != nil {
			d.Set |= v.bit
			*v.to = min(*v.from, policy.Forever)
		}
	}
	return d
}

func setTo[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// concat is append to a copy, without what is there already.
func concat(a, b []string) []string {
	out := append([]string(nil), a...)
	for _, s := range b {
		if !containsFold(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func containsFold(list []string, s string) bool {
	for _, x := range list {
		if strings.EqualFold(x, s) {
			return true
		}
	}
	return false
}
