package proxy

import (
	"bytes"
	"strconv"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
)

// refusal is an answer that this proxy gives by itself, without asking anybody: a status code, why, and one
// sentence for whoever reads it.
type refusal struct {
	status int
	reason policy.Reason
	text   string
}

var (
	badTarget     = &refusal{400, policy.ReasonMalformed, "The request target is neither a path nor an http URL."}
	badHeader     = &refusal{400, policy.ReasonMalformed, "A field line is malformed."}
	badHost       = &refusal{400, policy.ReasonMalformed, "The Host field is malformed."}
	badFraming    = &refusal{400, policy.ReasonMalformed, "Content-Length and Transfer-Encoding exclude each other."}
	badMethod     = &refusal{405, policy.ReasonMethod, "This proxy neither tunnels nor traces."}
	badExpect     = &refusal{417, policy.ReasonMalformed, "Only 100-continue can be expected."}
	badVersion    = &refusal{505, policy.ReasonMalformed, "Only HTTP/1.0 and HTTP/1.1 are spoken here."}
	looped        = &refusal{508, policy.ReasonLoop, "The request came back to this proxy: the upstream leads here."}
	maxForwards   = &refusal{200, policy.ReasonMethod, ""}
	onlyIfCached  = &refusal{504, policy.ReasonOnlyIfCached, "Nothing usable is stored, and the request asks for stored responses only."}
	panicked      = &refusal{500, policy.ReasonUpstream, "Internal error."}
	staleBarred   = &refusal{504, policy.ReasonUpstream, "The upstream is away, and the stored response must not be used without it."}
	upstreamAway  = &refusal{502, policy.ReasonUpstream, "The upstream gave no usable answer."}
	upstreamSlow  = &refusal{504, policy.ReasonUpstream, "The upstream did not answer in time."}
	upstreamFull  = &refusal{503, policy.ReasonUpstream, "All connections to the upstream are busy."}
	upstreamOpen  = &refusal{503, policy.ReasonUpstream, "The upstream gave no answer several times in a row. It is asked once a second until it does."}
	notForwarded  = &refusal{400, policy.ReasonMalformed, "The request cannot be sent on as it is."}
	contentFailed = &refusal{400, policy.ReasonMalformed, "The request's content did not arrive whole."}
)

// read takes in the request: facts for the rules, target, and key. It returns why the request is refused,
// or nil.
func (x *exchange) read() *refusal {
	r := &x.ctx.Request.Header
	method := r.Method()
	switch string(method) {
	case "CONNECT", "TRACE":
		return badMethod
	}
	if p := r.Protocol(); string(p) != "HTTP/1.1" && string(p) != "HTTP/1.0" {
		return badVersion
	}
	var ok bool
	if x.target, ok = parseTarget(method, r.RequestURI()); !ok {
		return badTarget
	}
	x.route = x.h.routes.Find(method, x.target.raw)
	x.policy = &x.route.Policy
	x.req.Reset(policy.MethodOf(method))
	if x.route.Query {
		x.req.Method = policy.Query
	}
	x.header = tiers.Header(bytes.TrimSuffix(r.RawHeaders(), []byte("\r\n"))) // the empty line
	if why := x.readFields(); why != nil {
		return why
	}
	if x.policy.IgnoreNoCache {
		x.req.IgnoreNoCache()
	}
	if x.route.Bypass {
		x.req.Cond |= policy.Unkeyed
	}
	if x.req.Method == policy.Query {
		if why := x.readContent(); why != nil {
			return why
		}
	}
	x.makeKey()
	return nil
}

// framing notes which of the fields that frame content a request has.
type framing struct{ length, coding bool }

// readFields looks at every field line once. fasthttp has refused what no line may hold (NUL, CR, space
// before the colon) and duplicates of Host and Content-Length; what it lets pass is refused here.
func (x *exchange) readFields() *refusal {
	var f framing
	for rest := x.header; len(rest) > 0; {
		if rest[0] == ' ' || rest[0] == '\t' { // obs-fold, RFC 9112 §5.2
			return badHeader
		}
		name, value, next := rest.Next()
		if !isToken(name) {
			return badHeader
		}
		rest = next
		if why := x.readField(&f, name, value); why != nil {
			return why
		}
	}
	if x.target.authority != nil { // RFC 9112 §3.2.2
		x.host = x.target.authority
	}
	switch {
	case f.length && f.coding:
		return badFraming
	case bytes.ContainsAny(x.host, "@/?# \t"):
		return badHost
	}
	if f.coding || x.ctx.Request.Header.ContentLength() > 0 {
		x.req.Cond |= policy.Content
	}
	return nil
}

// readField takes in one field line.
func (x *exchange) readField(f *framing, name, value []byte) *refusal {
	switch len(name) {
	case 3:
		if tiers.EqualFold(name, "Via") && bytes.Contains(value, x.h.pseudonym) {
			return looped
		}
	case 4:
		if tiers.EqualFold(name, "Host") {
			x.host = value
		}
	case 6:
		if tiers.EqualFold(name, "Expect") && !tiers.EqualFold(value, "100-continue") {
			return badExpect
		}
	case 10:
		if tiers.EqualFold(name, "Connection") && nominates(value) {
			x.req.Cond |= policy.Unkeyed
		}
	case 12:
		if tiers.EqualFold(name, "Max-Forwards") {
			return x.countHop(value)
		}
	case 14:
		f.length = f.length || tiers.EqualFold(name, "Content-Length")
	case 17:
		f.coding = f.coding || tiers.EqualFold(name, "Transfer-Encoding")
	}
	x.req.Add(name, value)
	if x.policy.Bypasses(name) {
		x.req.Cond |= policy.Unkeyed
	}
	if x.policy.IsCredential(name) {
		x.req.Cond |= policy.Authorized
	}
	return nil
}

// countHop takes in the Max-Forwards of an OPTIONS request (RFC 9110 §7.6.2); to other methods it means nothing.
func (x *exchange) countHop(value []byte) *refusal {
	if string(x.ctx.Request.Header.Method()) != "OPTIONS" {
		return nil
	}
	hops, err := strconv.ParseUint(string(value), 10, 31)
	switch {
	case err != nil:
		return nil
	case hops == 0:
		return maxForwards
	}
	x.hops = int(hops)
	return nil
}

func isMaxForwards(name []byte) bool { return tiers.EqualFold(name, "Max-Forwards") }

// nominates tells whether a Connection line names end-to-end fields (RFC 9110 §7.6.1). They are not sent
// on, so what comes back may not be stored for requests whose fields are.
func nominates(value []byte) bool {
	for len(value) > 0 {
		var option []byte
		option, value, _ = bytes.Cut(value, []byte{','})
		switch option = tiers.TrimSpace(option); {
		case len(option) == 0, tiers.EqualFold(option, "close"), tiers.EqualFold(option, "keep-alive"),
			tiers.EqualFold(option, "upgrade"), tiers.EqualFold(option, "te"), tiers.EqualFold(option, "http2-settings"):
		default:
			return true
		}
	}
	return false
}

// makeKey writes the Key (see [tiers.Key]).
func (x *exchange) makeKey() {
	x.keyBuf = x.keyBuf[:0]
	if x.req.Method == policy.Query {
		x.keyBuf = append(x.keyBuf, x.ctx.Method()...)
	} else {
		x.keyBuf = append(x.keyBuf, "GET"...)
	}
	x.keyBuf = append(append(x.keyBuf, ' '), x.h.uriPrefix...)
	x.keyBuf = x.policy.AppendTarget(x.keyBuf, x.target.raw)
	x.keyBuf = x.appendKeyHost(x.keyBuf)
	x.keyBuf = x.policy.AppendFacets(x.keyBuf, &x.req, x.header, x.body)
}

// keyOf makes the Key that a request for uri, another target of the same upstream, would have.
func (x *exchange) keyOf(uri string) tiers.Key {
	return tiers.Key(x.appendKeyHost([]byte("GET " + uri)))
}

// appendKeyHost appends the Host that goes upstream, where it is not the URI's own.
func (x *exchange) appendKeyHost(key []byte) []byte {
	switch {
	case x.h.preserveHost:
		return append(append(key, ' '), x.host...)
	case x.h.hostName != "":
		return append(append(key, ' '), x.h.hostName...)
	}
	return key
}

// tokenByte tells which bytes a field name may hold (RFC 9110 §5.6.2).
var tokenByte = func() (t [256]bool) {
	for c := range t {
		t[c] = '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenByte[c] {
			return false
		}
	}
	return len(b) > 0
}
