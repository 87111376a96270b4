package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nearside-cache/nearside/tiers/redis/redistest"
)

// reachable is an origin that every namespace reaches.
func reachable(t *testing.T) (o *origin, env string) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "origin"))
	if err != nil {
		t.Fatal(err)
	}
	return serveOrigin(t, l), "UPSTREAM_URL=unix://" + l.Addr().String()
}

// sidecar starts one in the namespace.
func (e end) sidecar(t *testing.T, env ...string) *sidecar {
	t.Helper()
	dir := t.TempDir()
	return launchIn(t, e.inside(), append(env, "LISTEN_ADDR=unix://"+filepath.Join(dir, "clients"), "ADMIN_ADDR=unix://"+filepath.Join(dir, "admin")))
}

// Every packet between one sidecar and Redis is dropped while another one purges. In strict mode that is confirmed when the
// lease is over, and holds there, too; in available mode the one that may still serve it is named. Afterwards both agree.
func TestPurgeInAPartition(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, mode string) {
		n := newCable(t)
		r := watched(t, redistest.StartIn(t, n.far.inside(), n.far.ip))
		o, upstream := reachable(t)
		p := newPages(o)
		env := []string{upstream, "REDIS_URL=" + r.URL(), "COHERENCE=" + mode, "COHERENCE_LEASE=1s"}
		near, far := n.near.sidecar(t, env...), n.far.sidecar(t, env...)
		gone, kept := []string{"/gone/1", "/gone/2"}, []string{"/kept/1", "/kept/2"}
		p.warm(append(slices.Clone(gone), kept...), near, far)

		n.cut()
		for _, path := range gone {
			p.change(path)
		}
		_, answer := far.tell("POST", "/purge", named("4s", gone...), isJSON)
		p.served(t, "at the one in contact", gone, far)
		if mode == "strict" {
			equal(t, "confirmed", answer.Confirmed, true)
			p.served(t, "at the one cut off", gone, near)
		} else {
			equal(t, "unconfirmed", fmt.Sprint(answer.Confirmed, answer.Unconfirmed), fmt.Sprint(false, []string{near.member()}))
			near.get(kept[0]).wants(200, "hit; detail=L1", p.now(kept[0]))
		}
		equal(t, "trust of the one cut off", near.metric("invalidation_trusted"), map[string]int{"strict": 0, "available": 1}[mode])
		p.served(t, "while cut off", kept, near, far)

		n.mend()
		eventually(t, "both confirm", func() bool { return near.confirms(named("2s", "/marker")).Sidecars == 2 })
		p.served(t, "in contact again", append(gone, kept...), near, far)
		if r.keys() == 0 {
			t.Error("Redis holds nothing")
		}
	})
}

// split is a Redis with two replicas and three Sentinels, across a cable: the master and one Sentinel are near, all else is
// far, and so are most.
type split struct {
	*cable
	near, far *redistest.Sentinel
	old       *redistest.Server
	replicas  [2]*redistest.Server
}

func newSplit(t *testing.T) *split {
	t.Helper()
	s := &split{cable: newCable(t)}
	here, there := s.cable.near, s.cable.far
	s.old = redistest.StartIn(t, here.inside(), here.ip, "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
	for i := range s.replicas {
		s.replicas[i] = redistest.StartIn(t, there.inside(), there.ip, "--replicaof", s.old.IP+" "+s.old.Port, "--repl-diskless-sync-delay", "0")
	}
	s.near = redistest.StartSentinel(t, here.inside(), here.ip, s.old, 2, "")
	s.far = redistest.StartSentinel(t, there.inside(), there.ip, s.old, 2, "")
	third := redistest.StartSentinel(t, there.inside(), there.ip, s.old, 2, "")
	for _, one := range []*redistest.Sentinel{s.near, s.far, third} {
		one.Knows(t, 2, 2)
	}
	return s
}

// The master of Redis is cut off from its replicas, one of which takes over, while it still serves the sidecar that is cut
// off with it. With INVALIDATION_REPLICAS only one side confirms purges; on the other one nothing is trusted.
func TestPurgeInASplitBrain(t *testing.T) {
	t.Parallel()
	s := newSplit(t)
	o, upstream := reachable(t)
	p := newPages(o)
	env := []string{upstream, "COHERENCE=strict", "COHERENCE_LEASE=1s", "INVALIDATION_REPLICAS=1"}
	near := s.cable.near.sidecar(t, append(env, "REDIS_URL="+s.near.URL())...)
	far := s.cable.far.sidecar(t, append(env, "REDIS_URL="+s.far.URL())...)
	here, there, kept := []string{"/here/1", "/here/2"}, []string{"/there/1", "/there/2"}, []string{"/kept/1", "/kept/2"}
	everything := slices.Concat(here, there, kept)
	p.warm(everything, near, far)
	equal(t, "sidecars", near.confirms(named("5s", "/marker")).Sidecars, 2)

	s.cut()
	next := s.far.Promotes(t, s.replicas[:]...)
	far.confirms(named("3s", "/marker"))
	p.warm(everything, far) // since the new master
	for _, path := range slices.Concat(here, there) {
		p.change(path)
	}
	_, answer := near.tell("POST", "/purge", named("3s", here...), isJSON)
	equal(t, "confirmed by the old master's side", answer.Confirmed, false)
	equal(t, "the old master is one", s.old.Do("role").([]any)[0], any("master"))
	far.confirms(named("3s", there...))
	p.served(t, "confirmed on the other side", there, near, far)
	equal(t, "trust on the old master's side", near.metric("invalidation_trusted"), 0)
	p.served(t, "what was purged there", here, near)

	s.mend()
	s.near.Leads(t, next)
	eventually(t, "both confirm", func() bool { return near.confirms(named("2s", "/marker")).Sidecars == 2 })
	p.served(t, "mended", everything, near, far)
}
