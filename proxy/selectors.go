package proxy

import (
	"errors"
	"slices"
	"strings"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/invalidation"
	"github.com/nearside-cache/nearside/upstream"
)

// This file is about how purges and unsafe requests name stored responses: in the words of whoever asks for them, which
// are not always those of a Key. Where it is not clear what is meant, all of it is: what is purged too much costs a fetch.

var errForeign = errors.New("neither a path nor a URL of the upstream")

// Selectors makes selectors of what an operator calls stored responses: a URI or the beginning of one may be given as a
// path, as clients ask for it, or as a URL of the upstream.
func (h *Handler) Selectors(kind invalidation.Kind, name string) (list []invalidation.Selector, err error) {
	names := []string{name}
	if kind == invalidation.URI || kind == invalidation.Prefix {
		if names, err = h.named(name); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if list, err = h.appendSelectors(list, kind, name); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// named returns the target URIs that name, a path or a URL, may be about.
func (h *Handler) named(name string) ([]string, error) {
	name, _, _ = strings.Cut(name, "#")
	if strings.HasPrefix(name, "/") {
		return []string{h.uriPrefix + name}, nil
	}
	scheme, rest, absolute := strings.Cut(name, "://")
	authority, target := rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, target = rest[:i], "/"+strings.TrimPrefix(rest[i:], "/")
	}
	up := &h.Upstream.URL
	switch scheme = strings.ToLower(scheme); {
	case !absolute || authority == "" || scheme != "http" && scheme != "https":
		return nil, errForeign
	case scheme == up.Scheme() && up.IsAuthority(authority),
		h.preserveHost, h.hostName != "" && upstream.SameAuthority(scheme, authority, h.hostName): // as clients, or the upstream, know it
		return h.urisOf(target), nil
	}
	return nil, errForeign
}

// urisOf returns the target URIs that target is about, when it stands in a reference to the upstream: there, and, since
// clients know nothing of a base path, below that.
func (h *Handler) urisOf(target string) []string {
	if h.origin == h.uriPrefix {
		return []string{h.origin + target}
	}
	return []string{h.origin + target, h.uriPrefix + target}
}

// appendSelectors appends the selectors for one name, but for those that are in the list: for a URI, as it is and as it stands
// in Keys; for the beginning of a query, since a Key may have none of it, with the path itself. A URI that is too long to
// be named is meant by its beginning.
func (h *Handler) appendSelectors(list []invalidation.Selector, kind invalidation.Kind, name string) ([]invalidation.Selector, error) {
	if kind == invalidation.URI && len(name) > invalidation.MaxName {
		kind, name = invalidation.Prefix, name[:invalidation.MaxName]
	}
	s, err := invalidation.Select(kind, name)
	if err != nil {
		return list, err
	}
	if !slices.Contains(list, s) {
		list = append(list, s)
	}
	path, _, query := strings.Cut(name, "?")
	switch {
	case !query:
	case kind == invalidation.Prefix:
		return h.appendSelectors(list, invalidation.URI, path)
	case kind == invalidation.URI:
		for _, uri := range h.keyed(name) {
			if s, err := invalidation.Select(invalidation.URI, uri); err == nil && !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list, nil
}

// keyed returns what stands for uri in the Keys of requests for it, by the rules of their routes, which may leave
// parameters out.
func (h *Handler) keyed(uri string) (keyed []string) {
	target, ok := strings.CutPrefix(uri, h.uriPrefix)
	path, query, _ := strings.Cut(target, "?")
	if !ok {
		return nil
	}
	target = tiers.NormalPath(path) + "?" + query
	for _, method := range []string{"GET", "QUERY", "POST"} {
		route := h.routes.Find([]byte(method), []byte(target))
		keyed = append(keyed, string(route.Policy.AppendTarget([]byte(h.uriPrefix), []byte(target))))
	}
	return keyed
}
