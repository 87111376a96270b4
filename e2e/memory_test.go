package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Budgets that do not fit the limit of GOMEMLIMIT, or of the container, are a mistake in the configuration.
func TestMemoryBudgetTooLarge(t *testing.T) {
	env := func(more ...string) []string { return append(more, "UPSTREAM_URL=http://127.0.0.1:1") }
	for name, row := range map[string]struct {
		env   []string
		wants string
	}{
		"L1":    {env("L1_MAX_BYTES=2GiB"), `L1_MAX_BYTES="2GiB": more than the memory limit (the container's, or GOMEMLIMIT) of 1GiB has room for; want at most 800MiB`},
		"queue": {env("L1_MAX_BYTES=512MiB", "POOL_QUEUE_BYTES=600MiB"), `POOL_QUEUE_BYTES="600MiB": with L1_MAX_BYTES, which is 512MiB, more than the memory limit (the container's, or GOMEMLIMIT) of 1GiB; want at most 512MiB`},
	} {
		t.Run(name, func(t *testing.T) {
			refuses := func(env ...string) {
				code, _, stderr := run(t, []string{"-check"}, env...)
				equal(t, "exit code", code, 2)
				contains(t, "what is said", stderr, "nearside: 1 mistake in the configuration:\n  "+row.wants+"\n")
			}
			refuses(append(row.env, "GOMEMLIMIT=1GiB")...)
			container(t, gib, func() { refuses(row.env...) })
		})
	}
}

// The garbage collector's limit is what a full L1 takes, at most nine tenths of the container's limit, or what the environment
// says.
func TestMemoryLimit(t *testing.T) {
	limit := func(env ...string) int {
		s := nearside(t, append(env, "UPSTREAM_URL=http://127.0.0.1:1")...)
		return int(s.metrics()["go_gc_gomemlimit_bytes"]) >> 20
	}
	equal(t, "MiB for 400 MiB of L1", limit("L1_MAX_BYTES=400MiB"), 540)
	equal(t, "MiB by GOMEMLIMIT", limit("GOMEMLIMIT=300MiB"), 300)
	container(t, gib, func() {
		equal(t, "MiB for 400 MiB of L1 in a container of 1 GiB", limit("L1_MAX_BYTES=400MiB"), 540)
		equal(t, "MiB for 800 MiB of L1 in a container of 1 GiB", limit("L1_MAX_BYTES=800MiB"), 921)
		equal(t, "MiB in a container of 1 GiB, by GOMEMLIMIT", limit("GOMEMLIMIT=500MiB"), 500)
	})
}

// container runs do in a control group of its own, which may use so much memory, where this system lets the test make
// one: it takes root, and groups that are not mounted read-only. Programs that do starts are born into the group.
func container(t *testing.T, limit int, do func()) {
	t.Helper()
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	top, file, own := "/sys/fs/cgroup", "memory.max", ""
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err == nil { // version 1
		top, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	}
	for line := range strings.Lines(string(groups)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) == 3 && (part[1] == "memory" || part[1] == "" && file == "memory.max") {
			own = part[2]
		}
	}
	join := func(group string) error {
		return os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o600)
	}
	group, err := os.MkdirTemp(top, "nearside-e2e-")
	if err == nil {
		t.Cleanup(func() { os.Remove(group) }) // once what do started has ended
		err = os.WriteFile(filepath.Join(group, file), []byte(strconv.Itoa(limit)), 0o600)
	}
	if err == nil {
		err = join(group)
	}
	if err != nil {
		t.Logf("no control group can be made here, so there is none: %v", err)
		return
	}
	defer func() {
		if err := join(filepath.Join(top, own)); err != nil {
			t.Error(err)
		}
	}()
	do()
}
