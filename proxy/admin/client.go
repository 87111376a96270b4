package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/nearside-cache/nearside/proxy"
)

// client asks the admin listener at addr.
func client(addr proxy.Addr, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return addr.Dial(ctx)
		}},
	}
}

// Check asks the admin listener at addr for its health, as a container's HEALTHCHECK does. It waits at
// most three seconds.
func Check(addr proxy.Addr) error {
	resp, err := client(addr, 3*time.Second).Get("http://nearside/healthz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("unhealthy: " + resp.Status)
	}
	return nil
}

// ErrUnconfirmed is what Purge returns when the purge was accepted, and not confirmed in time.
var ErrUnconfirmed = errors.New("not confirmed in time: it holds at this sidecar, and the others will follow")

// Purge asks the sidecar of cfg to purge, and returns its answer, which is JSON. kind is one of uri, prefix, tag and all. wait
// is how long it may take to be confirmed; empty is as long as the sidecars' leases require. Purge itself takes 20 s more
// than wait at most.
func Purge(cfg Config, kind string, selectors []string, soft bool, wait string) (answer string, err error) {
	body, err := json.Marshal(purgeRequest{Type: kind, Selectors: selectors, Soft: soft, Wait: wait})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequest(http.MethodPost, "http://nearside/purge", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+cfg.Token)
	}
	resp, err := client(cfg.Addr, purgeTimeout(wait)).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	answer = strings.TrimSpace(string(text))
	switch {
	case err != nil:
		return "", err
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusAccepted:
		return "", fmt.Errorf("%s: %s", resp.Status, answer)
	}
	var a purgeAnswer
	switch err := json.Unmarshal(text, &a); {
	case err != nil:
		return "", fmt.Errorf("%s, but not what a sidecar's admin listener answers; is ADMIN_ADDR right? %.200s", resp.Status, answer)
	case !a.Confirmed:
		return answer, ErrUnconfirmed
	}
	return answer, nil
}

// purgeTimeout is how long a purge may take that is to wait for so long; without that, for as long as leases last.
func purgeTimeout(wait string) time.Duration {
	const more = 20 * time.Second // a sidecar that is well needs much less
	if d, err := time.ParseDuration(wait); err == nil && d >= 0 && d <= maxPurgeWait {
		return d + more
	}
	return time.Minute + more
}
