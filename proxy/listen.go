package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Addr is where to listen: host:port, where host may be empty for all of them, or unix:///path. The zero
// Addr is nowhere.
type Addr struct {
	network, address string
}

// UnmarshalText reads an Addr; its error says what would be right.
func (a *Addr) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if path, ok := strings.CutPrefix(s, "unix://"); ok {
		if !strings.HasPrefix(path, "/") {
			return errors.New("no absolute path; want unix:///path/to.sock")
		}
		*a = Addr{"unix", path}
		return nil
	}
	_, port, err := net.SplitHostPort(s)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n > 65535 {
		return errors.New("not an address; want host:port such as 127.0.0.1:8080, or unix:///path/to.sock")
	}
	*a = Addr{"tcp", s}
	return nil
}

// MarshalText writes the Addr as it is configured.
func (a Addr) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// String writes the Addr as it is configured.
func (a Addr) String() string {
	if a.network == "unix" {
		return "unix://" + a.address
	}
	return a.address
}

// IsZero tells whether a is nowhere.
func (a Addr) IsZero() bool { return a == Addr{} }

// Loopback tells whether only this host can connect.
func (a Addr) Loopback() bool {
	if a.network == "unix" {
		return true
	}
	host, _, _ := net.SplitHostPort(a.address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Listen listens at a. A socket file that a process left behind without serving it is replaced; one that
// is served is an error, as a busy port is.
func (a Addr) Listen() (net.Listener, error) {
	if a.network == "unix" {
		if err := a.removeStale(); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen(a.network, a.address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen at %s: %w", a, err)
	}
	return ln, nil
}

func (a Addr) removeStale() error {
	info, err := os.Stat(a.address)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("cannot listen at %s: something that is no socket is there", a)
	}
	if c, err := net.DialTimeout(a.network, a.address, time.Second); err == nil {
		c.Close()
		return fmt.Errorf("cannot listen at %s: another process serves it", a)
	}
	return os.Remove(a.address)
}

// Dial connects to whoever listens at a on this host: an address of all interfaces is reached by loopback.
func (a Addr) Dial(ctx context.Context) (net.Conn, error) {
	address := a.address
	if host, port, err := net.SplitHostPort(address); a.network == "tcp" && err == nil {
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			address = net.JoinHostPort("localhost", port)
		}
	}
	return new(net.Dialer).DialContext(ctx, a.network, address)
}
