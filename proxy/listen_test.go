package proxy

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
)

func TestAddr(t *testing.T) {
	for _, row := range []struct {
		text     string
		ok, loop bool
	}{
		{"127.0.0.1:8080", true, true}, {"localhost:1", true, true}, {"[::1]:0", true, true}, {"unix:///run/a.sock", true, true},
		{":8080", true, false}, {"0.0.0.0:8080", true, false}, {"10.0.0.1:8080", true, false},
		{"", false, false}, {"8080", false, false}, {"a:b", false, false}, {"a:70000", false, false}, {"a:-1", false, false},
		{"unix://run/a.sock", false, false}, {"unix://", false, false},
	} {
		var a Addr
		err := a.UnmarshalText([]byte(row.text))
		if (err == nil) != row.ok || row.ok && (a.String() != row.text || a.Loopback() != row.loop) {
			t.Errorf("%q: %v, %q, loopback %v", row.text, err, a, a.Loopback())
		}
		if err != nil && !strings.Contains(err.Error(), "want ") {
			t.Errorf("%q: %q does not say what would be right", row.text, err)
		}
	}
}

func TestListenReplacesADeadSocketOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	var a Addr
	if err := a.UnmarshalText([]byte("unix://" + path)); err != nil {
		t.Fatal(err)
	}
	first, err := a.Listen()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Listen(); err == nil {
		t.Fatal("took over a socket that is served")
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false)
	first.Close()
	second, err := a.Listen()
	if err != nil {
		t.Fatalf("a dead socket: %v", err)
	}
	defer second.Close()
	c, err := a.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
