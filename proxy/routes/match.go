package routes

import (
	"bytes"
	"strings"

	"github.com/nearside-cache/nearside/tiers"
)

// methods is a set of the methods that rules can be about.
type methods uint8

const (
	get   methods = 1 << iota // and HEAD
	query                     // QUERY
	post                      // a POST that only asks
)

func methodOf(m []byte) methods {
	switch string(m) {
	case "GET", "HEAD":
		return get
	case "QUERY":
		return query
	case "POST":
		return post
	}
	return 0
}

// node is a place in the tree of the rules' paths: one level deeper with each segment.
type node struct {
	literal map[string]*node
	globs   []glob
	ends    []end // rules whose path ends here
	rest    []end // rules whose path goes on with "**"
	least   int   // the first rule here or below
}

// glob is a segment with wildcards.
type glob struct {
	pattern string
	next    *node
}

// end is a rule, by its place among the rules.
type end struct {
	rule    int
	methods methods
}

const never = int(^uint(0) >> 1)

func newNode() *node { return &node{literal: map[string]*node{}, least: never} }

// add enters a rule under what is left of its path, which begins with a slash.
func (n *node) add(path string, e end) {
	n.least = min(n.least, e.rule)
	segment, rest, more := strings.Cut(path[1:], "/")
	if segment == "**" {
		n.rest = append(n.rest, e)
		return
	}
	next := n.child(segment)
	if more {
		next.add("/"+rest, e)
		return
	}
	next.least = min(next.least, e.rule)
	next.ends = append(next.ends, e)
}

func (n *node) child(segment string) *node {
	if !strings.Contains(segment, "*") {
		if n.literal[segment] == nil {
			n.literal[segment] = newNode()
		}
		return n.literal[segment]
	}
	for _, g := range n.globs {
		if g.pattern == segment {
			return g.next
		}
	}
	g := glob{segment, newNode()}
	n.globs = append(n.globs, g)
	return g.next
}

// find returns the first rule before best that matches path, which begins with a slash; best when there is none.
func (n *node) find(path []byte, m methods, best int) int {
	best = first(n.rest, m, best)
	segment, more := path[1:], false
	if i := bytes.IndexByte(segment, '/'); i >= 0 {
		segment, more = segment[:i], true
	}
	rest := path[1+len(segment):]
	if next := n.literal[string(segment)]; next != nil && next.least < best {
		best = next.after(rest, more, m, best)
	}
	for _, g := range n.globs {
		if g.next.least < best && matches(g.pattern, segment) {
			best = g.next.after(rest, more, m, best)
		}
	}
	return best
}

// after goes on behind a segment that matched.
func (n *node) after(rest []byte, more bool, m methods, best int) int {
	if more {
		return n.find(rest, m, best)
	}
	return first(n.ends, m, best)
}

// first returns the first of the rules, which are in order, that is about one of the methods.
func first(ends []end, m methods, best int) int {
	for _, e := range ends {
		if e.rule >= best {
			break
		}
		if e.methods&m != 0 {
			return e.rule
		}
	}
	return best
}

// matches tells whether a segment is what pattern says: "*" stands for any characters, by itself for at least one.
func matches(pattern string, segment []byte) bool {
	if pattern == "*" {
		return len(segment) > 0
	}
	head, tail, _ := strings.Cut(pattern, "*")
	if len(segment) < len(head) || string(segment[:len(head)]) != head {
		return false
	}
	segment = segment[len(head):]
	for {
		middle, rest, more := strings.Cut(tail, "*")
		if !more {
			return len(segment) >= len(tail) && string(segment[len(segment)-len(tail):]) == tail
		}
		i := bytes.Index(segment, []byte(middle))
		if i < 0 {
			return false
		}
		segment, tail = segment[i+len(middle):], rest
	}
}

// pathOf returns a target's path as rules are compared with it: in one spelling, so that no other one evades a rule.
func pathOf(target []byte) []byte {
	path := target
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		path = path[:i]
	}
	if tiers.IsNormalPath(path) {
		return path
	}
	return []byte(tiers.NormalPath(string(path)))
}
