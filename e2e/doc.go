// Package e2e holds the tests of the program as its users run it: the built binary, a real redis-server, a real
// nginx, and an origin and a client that put exact bytes on their sockets.
//
// There is one helper file for each program: nearside_test.go, redis_test.go, nginx_test.go, origin_test.go,
// client_test.go. The other files are scenarios. One reads like a story: an origin that answers so, a sidecar that is
// configured so, a client that asks this and gets that.
package e2e
