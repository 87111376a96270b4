// Package policy is HTTP caching as pure functions over values: what RFC 9111 asks of a shared cache, and
// what RFC 5861 and RFC 9110 add. Nothing here does I/O, starts a goroutine or reads a clock: the time is
// an argument.
//
// There is one file per concern, named after the section of RFC 9111 that it follows:
//
//	directives.go   §5.2    Cache-Control
//	date.go         RFC 9110 §5.6.7
//	etag.go         RFC 9110 §8.8.3
//	request.go      §4, §5.2.1   what a request says
//	storable.go     §3      may a response be stored
//	freshness.go    §4.2    for how long, and how old is it
//	vary.go         §4.1    which stored response may serve
//	decide.go       §4      may it be reused, now
//	validate.go     §4.3    conditional requests, in both directions
package policy

import "time"

// Config is what an operator may decide. The zero Config adds nothing to what responses say.
type Config struct {
	DefaultTTL           time.Duration `env:"DEFAULT_TTL" envDefault:"0s" min:"0s" doc:"freshness lifetime of a response that gives none (heuristically cacheable status codes only); 0 adds none, and it never overrides what the origin said"`
	StaleWhileRevalidate time.Duration `env:"STALE_WHILE_REVALIDATE" envDefault:"0s" min:"0s" doc:"how long a stale response is served while it is refreshed, where the response is silent"`
	StaleIfError         time.Duration `env:"STALE_IF_ERROR" envDefault:"0s" min:"0s" doc:"how long a stale response is served when the upstream fails, where the response is silent"`
	HeuristicFraction    float64       `env:"HEURISTIC_FRACTION" envDefault:"0.1" min:"0" max:"1" doc:"freshness lifetime of a response that gives none, as a part of the time since its Last-Modified; 0 = off"`
	HeuristicMaxTTL      time.Duration `env:"HEURISTIC_MAX_TTL" envDefault:"10m" min:"0s" doc:"the longest such lifetime"`
	KeepStale            time.Duration `env:"KEEP_STALE" envDefault:"10m" min:"0s" doc:"how long a stale response with a validator is kept for revalidation"`
	SetCookie            SetCookie     `env:"SET_COOKIE" envDefault:"explicit" doc:"what becomes of responses with Set-Cookie: explicit (stored only with public, s-maxage or a targeted field), store, or bypass (never stored)"`
	Targets              []string      `env:"TARGETED_CACHE_CONTROL" envDefault:"Nearside-Cache-Control" doc:"response fields (RFC 9213) that replace Cache-Control and Expires, the first usable one counts; a deployment that acts as a CDN adds CDN-Cache-Control"`
	BypassHeaders        []string      `env:"BYPASS_HEADERS" doc:"more request fields that make a request bypass the cache, because they change answers and are not in the key"`
	VarySelect           bool          `env:"VARY_SELECT" envDefault:"false" doc:"serve a stored response in the language or coding that a request likes best, although the request differs in Accept-Language or Accept-Encoding"`
}

// Reason says why a request was answered as it was, or why a response was not stored. It is at once the
// detail of Cache-Status, a metric's label and a field of the log.
type Reason uint8

// The reasons. Those up to ReasonStale are the forward reasons of RFC 9211 §2.2.
const (
	ReasonNone         Reason = iota
	ReasonBypass              // this cache does not handle the request
	ReasonMethod              // the method's semantics require forwarding
	ReasonURIMiss             // nothing stored for the target URI
	ReasonVaryMiss            // something stored, but not for these request fields
	ReasonRequest             // the request's own directives ask for it
	ReasonPartial             // stored, but a part that does not hold what is asked for
	ReasonStale               // stored, but stale
	ReasonHit                 // served from the store
	ReasonOnlyIfCached        // the client wanted no forwarding, §5.2.1.7
	ReasonNoStore             // a no-store directive, §5.2.1.5 and §5.2.2.5
	ReasonPrivate             // a private directive, §5.2.2.7
	ReasonAuthorized          // the request had credentials and the response does not allow sharing, §3.5
	ReasonVaryStar            // Vary: *, §4.1
	ReasonStatus              // a response of this status code, or to this method, is not stored
	ReasonNoFreshness         // nothing says for how long, and no validator would make it of use
	ReasonCookie              // Set-Cookie without explicit permission to share
	ReasonIncomplete          // the content's end could not be told from a truncation
	ReasonTooLarge            // larger than MAX_OBJECT_BYTES
	ReasonNoRoom              // the queue or its byte budget is full
	ReasonStaleOnError        // a stale response stood in for an error, RFC 5861 §4
	ReasonMalformed           // the request is not HTTP as RFC 9110 and 9112 define it
	ReasonLoop                // the request has been here before
	ReasonUpstream            // the upstream gave no usable answer
	reasonsLength             // keep last
)

var reasonNames = [reasonsLength]string{
	"", "bypass", "method", "uri-miss", "vary-miss", "request", "partial", "stale",
	"hit", "only-if-cached", "no-store", "private", "authorization", "vary-star", "status", "no-freshness",
	"set-cookie", "incomplete", "too-large", "no-room", "stale-if-error", "malformed", "loop", "upstream",
}

// String returns the reason as it stands in Cache-Status, metrics and logs.
func (r Reason) String() string { return reasonNames[r] }
