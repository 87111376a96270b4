package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is the longest that any one thing may take before a test gives up on it. Nothing is expected to
// come near.
const patience = 20 * time.Second

// binary is the program under test, built with the race detector, except for figures.
var binary string

// buildFlags are how it is built otherwise, for tests with a build tag.
var buildFlags []string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nearside-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "nearside")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=1.2.3-e2e", "-o", binary)
	switch {
	case buildFlags != nil:
		build.Args = append(build.Args, buildFlags...)
	case !figures:
		build.Args = append(build.Args, "-race")
	}
	build.Args = append(build.Args, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building with -race (it needs gcc: install the package gcc): %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// program finds a program that a Debian package holds.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Fatalf("%s is missing: install the package %s", name, pkg)
	return ""
}

// eventually waits until ok, and fails the test when that takes too long.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begun := time.Now(); !ok(); time.Sleep(3 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatalf("still not after %v: %s", patience, what)
		}
	}
}

// equal compares got with want.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, short(got), short(want))
	}
}

// short writes a value for an error message.
func short(v any) string {
	s, isString := v.(string)
	if !isString {
		return fmt.Sprint(v)
	}
	if len(s) > 600 {
		return fmt.Sprintf("%q… (%d bytes)", s[:600], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// contains fails the test for each of parts that text lacks.
func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, text)
		}
	}
}

// write makes a file in a directory of the test's own and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
