package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// connection is the context key of a request's net.Conn.
type connection struct{}

func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connection{}, c)
}

// guard lets a request that changes state through when it comes from whoever may: with the token, if there is one, else
// from this machine; and never from a page in a browser, which could reach a loopback address, too.
func (s *Server) guard(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "":
			refuse(w, http.StatusForbidden, "not for pages in a browser")
		case s.token != "" && !s.hasToken(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, "want Authorization: Bearer and ADMIN_TOKEN")
		case s.token == "" && !fromHere(r):
			refuse(w, http.StatusForbidden, "without ADMIN_TOKEN only loopback addresses and unix sockets may")
		default:
			next(w, r)
		}
	}
}

// hasToken compares in constant time, whatever the length.
func (s *Server) hasToken(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want, got := sha256.Sum256([]byte(s.token)), sha256.Sum256([]byte(strings.TrimSpace(token)))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// fromHere tells whether a request came over a unix socket, or between two loopback addresses.
func fromHere(r *http.Request) bool {
	c, _ := r.Context().Value(connection{}).(net.Conn)
	if c == nil {
		return false
	}
	local, remote := c.LocalAddr(), c.RemoteAddr()
	return local.Network() == "unix" || isLoopback(local) && isLoopback(remote)
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
