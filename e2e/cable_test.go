package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// cable lies between two network namespaces: "near" for sidecars, and "far" for Redis. Sockets with a
// path lead into both from everywhere.
type cable struct {
	t         *testing.T
	near, far end
}

// end is one side of it.
type end struct {
	space string // the namespace
	ip    string
	mac   string
}

// networks is how many were made.
var networks atomic.Int32

// nowhere is a hardware address that nobody has.
const nowhere = "02:00:00:00:00:01"

// newCable lays it. It takes root rights.
func newCable(t *testing.T) *cable {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("making a network namespace takes root, and the continuous integration leaves nothing out")
		}
		t.Skip("making a network namespace takes root")
	}
	name := fmt.Sprintf("nearside-%d-%d", os.Getpid(), networks.Add(1))
	n := &cable{t: t,
		near: end{name + "a", "192.0.2.1", "02:00:00:00:00:0a"},
		far:  end{name + "b", "192.0.2.2", "02:00:00:00:00:0b"},
	}
	for _, e := range []end{n.near, n.far} {
		n.ip("netns", "add", e.space)
		t.Cleanup(func() { n.ip("netns", "del", e.space) })
	}
	n.ip("-n", n.near.space, "link", "add", "cable", "address", n.near.mac, "type", "veth",
		"peer", "name", "cable", "address", n.far.mac, "netns", n.far.space)
	for _, e := range []end{n.near, n.far} {
		n.ip("-n", e.space, "address", "add", e.ip+"/24", "dev", "cable")
		n.ip("-n", e.space, "link", "set", "lo", "up")
		n.ip("-n", e.space, "link", "set", "cable", "up")
	}
	n.mend()
	return n
}

// cut has every packet dropped, in both directions: it is sent to nobody.
func (n *cable) cut() { n.tell(nowhere, nowhere) }

// mend ends that.
func (n *cable) mend() { n.tell(n.near.mac, n.far.mac) }

// tell says to each end what the hardware address of the other is.
func (n *cable) tell(near, far string) {
	n.t.Helper()
	n.ip("-n", n.near.space, "neigh", "replace", n.far.ip, "lladdr", far, "dev", "cable", "nud", "permanent")
	n.ip("-n", n.far.space, "neigh", "replace", n.near.ip, "lladdr", near, "dev", "cable", "nud", "permanent")
}

func (n *cable) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command(program(n.t, "ip", "iproute2"), args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// inside is the command that runs another one in the namespace, as the same process.
func (e end) inside() []string { return []string{"ip", "netns", "exec", e.space} }
