// Package policy is HTTP caching as pure functions over values: what RFC 9111 asks of a shared cache, and
// what RFC 9110, 5861, 9211 and 9213 add. Nothing here does I/O, starts a goroutine or reads a clock: the time is
// an argument.
//
// A request is read into a [Request], a response into a [Response]. [Config.NewEntry] judges and stores, [Decide]
// reuses, [Config.Freshened] and its kin bring up to date, [Invalidated] tells what a change ends. There is one
// file per concern, its test beside it; rows of the tests cite the section they come from:
//
//	RFC 9111            file            test
//	§3, §3.1, §3.5      storable.go     TestStorable, TestProvoked, TestHeuristicStatus, TestStoredHeader, TestDate
//	§3.2, §4.3.4        validate.go     TestSelected, TestFreshened, TestFreshenedDate, TestKeepable
//	§3.3                partial.go      TestNewPart, TestPartAnswers, TestBrokenOff, TestAppendCompletion
//	§3.4                partial.go      TestCombined, TestCombinedFields, TestPartsMakeTheWhole
//	§4, §4.2.4          decide.go       TestDecide, TestStandIn, TestNeverStale
//	§4.1                vary.go         TestVaryOf, TestVariant, FuzzVary
//	§4.1, VARY_SELECT   prefer.go       TestSuits
//	§4.2.1, §4.2.2      freshness.go    TestLifetime, TestNoOverflow
//	§4.2.3, §5.1        freshness.go    TestAge, TestApparentAge
//	§4.3.1, §4.3.2      validate.go     TestAppendConditions, TestNotModified
//	§4.3.5              validate.go     TestHeadFreshened, TestOutdated
//	§4.4                invalidate.go   TestInvalidates, TestInvalidated, FuzzInvalidated
//	§5.2                directives.go   TestDirectives, FuzzDirectives
//	§5.2.1              decide.go       TestDecide
//	§5.2.2              storable.go, freshness.go   TestStorable, TestUnderstood, TestWindows
//	§5.3                freshness.go    TestLifetime
//	§5.4                request.go      TestNoCacheRequested
//	§7.3                storable.go     TestSetCookie
//	RFC 9875 §2, §3     tags.go         TestTags, TestInvalidatedGroups
//
//	AUTHORIZATION       credentials.go  TestPerCredential, TestCredentialsInVariants
//	KEY_…               key.go, facets.go   TestAppendTarget, TestFacets, FuzzAppendTarget
//	No-Vary-Search      search.go       TestSearch, TestSearchMeaning
//	STATUS_TTL          statusttl.go    TestStatusTTL, TestStatusTTLText
//	routes              override.go     TestOverride
//
//	RFC 9110            file            test
//	§5.6.7              date.go         TestParseDate, FuzzDate
//	§6.6.1              storable.go     TestDate
//	§8.8.2.2            range.go        TestAnswer, TestCombined
//	§8.8.3              etag.go         TestETagMatch, TestStrongMatch, FuzzETag
//	§9.1, §9.2.1        request.go      TestMethodOf, TestUsable
//	§9.3.3              invalidate.go   TestNewEntryOfPost
//	§12.4.2, §12.5      vary.go, prefer.go   TestVariant, TestSuits
//	§13.1.2, §13.1.3    validate.go     TestNotModified
//	§13.1.5, §14        range.go        TestParseRange, TestAnswer, TestContentRange, FuzzRange
//	§15.1               storable.go     TestHeuristicStatus
//	§15.4.5             validate.go     TestStaysIn304
//
//	others              file            test
//	RFC 5861            freshness.go, decide.go   TestWindows, TestDecide, TestStandIn, TestIsError
//	RFC 9211 §2.2       policy.go       TestNames, TestSeconds
//	RFC 9213            targeted.go     TestTargeted, TestTargetedReplaces, FuzzTargeted
//	RFC 10008 §2.7      request.go, facets.go   TestUsable, TestFacets
//	unkeyed fields      unkeyed.go      TestUnkeyed
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
	Authorization        Authorization `env:"AUTHORIZATION" envDefault:"rfc" doc:"what becomes of responses to requests with credentials: rfc (shared, and stored only with public, s-maxage or must-revalidate), or per-credential (each credential has its own stored responses, private ones included)"`
	CredentialHeaders    []string      `env:"CREDENTIAL_HEADERS" doc:"request fields that carry credentials, beside Authorization, such as X-Api-Key or Cookie"`
	CredentialSecret     string        `env:"CREDENTIAL_SECRET" secret:"true" default:"L2_SECRET" doc:"key of the hash that stands for a credential; at least 16 characters, the same for the fleet. per-credential with Redis needs this or L2_SECRET"`
	IgnoreNoCache        bool          `env:"IGNORE_CLIENT_NO_CACHE" envDefault:"false" doc:"ignore no-cache, max-age=0 and Pragma: no-cache in requests, for clients that send them always"`
	StatusTTL            StatusTTL     `env:"STATUS_TTL" example:"404:5s,410:1m,301:1h" doc:"freshness lifetimes by status code, where the response gives none: 404:5s,410:1m,301:1h; for these codes instead of DEFAULT_TTL"`
	SortQuery            bool          `env:"KEY_SORT_QUERY" envDefault:"false" doc:"requests that differ in the order of differently named query parameters are the same to the cache"`
	IgnoreParams         []string      `env:"KEY_IGNORE_PARAMS" doc:"query parameters that do not tell requests apart, such as utm_*,fbclid; they are sent on all the same"`
	KeyHeaders           []string      `env:"KEY_HEADERS" doc:"request fields that tell requests apart although responses do not name them in Vary"`
	TagHeaders           []string      `env:"TAG_HEADERS" envDefault:"Cache-Groups,Surrogate-Key,Cache-Tag,Edge-Cache-Tag,xkey" doc:"response fields that list the tags by which a response can be purged"`
	TagHeadersForward    bool          `env:"TAG_HEADERS_FORWARD" envDefault:"true" doc:"show these fields to clients"`
	VarySelect           bool          `env:"VARY_SELECT" envDefault:"false" doc:"serve a stored response in the language or coding that a request likes best, although the request differs in Accept-Language or Accept-Encoding"`

	EarlyRefreshBeta float64 `env:"EARLY_REFRESH_BETA" envDefault:"0" min:"0" doc:"refresh hot responses before they are stale, on average this many times as long before as fetching them took; 0 = off, 3 is a good value"`
	TTLJitter        float64 `env:"TTL_JITTER" envDefault:"0" min:"0" max:"0.5" doc:"part of its freshness lifetime by which that of each response is shortened, at random up to this, so that what was stored together does not expire together; 0 = off"`

	// By a route's rule only.
	Override Directives // max-age, stale-while-revalidate and stale-if-error that replace what the response says
	Tags     string     // for each stored response, in the form of [tiers.Entry.Tags]

	secret *secret // of the hash for credentials; nil = an empty one
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
