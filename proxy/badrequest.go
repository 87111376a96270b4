package proxy

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/nearside-cache/nearside/proxy/policy"
)

var (
	unreadable    = &refusal{400, policy.ReasonMalformed, "The request is malformed."}
	tooSlow       = &refusal{408, policy.ReasonMalformed, "The request's header did not arrive in time."}
	headerTooLong = &refusal{431, policy.ReasonMalformed, "The request's header is larger than 32 KiB."}
)

// handleBadRequest answers what fasthttp could not read as a request. The connection is closed behind it.
func (h *Handler) handleBadRequest(ctx *fasthttp.RequestCtx, err error) {
	x := h.begin(ctx)
	defer h.end(x)
	var small *fasthttp.ErrSmallBuffer
	var ne net.Error
	switch {
	case errors.As(err, &small):
		x.refuse(headerTooLong)
	case errors.As(err, &ne) && ne.Timeout(), errors.Is(err, fasthttp.ErrTimeout):
		x.refuse(tooSlow)
	default:
		x.refuse(unreadable)
	}
}

// fasthttpLog takes fasthttp's own messages: what clients did to their connections, of use only when looking
// for it.
type fasthttpLog struct{ log *slog.Logger }

// Printf implements [fasthttp.Logger].
func (l fasthttpLog) Printf(format string, args ...any) {
	l.log.Debug("client connection", "message", strings.TrimSpace(fmt.Sprintf(format, args...)))
}
