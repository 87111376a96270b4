package heap

import (
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// container returns the memory limit of the control groups that the process is in, of version 1 or 2, with those
// above them as far as they can be seen. It returns false when none sets one. root is the file system.
func container(root fs.FS) (bytes int64, ok bool) {
	groups, _ := fs.ReadFile(root, "proc/self/cgroup") // not there: not Linux
	mounts, _ := fs.ReadFile(root, "proc/self/mountinfo")
	least := int64(math.MaxInt64)
	for line := range strings.Lines(string(mounts)) {
		m, ok := parseMount(line)
		if !ok {
			continue
		}
		if group, ok := groupOf(string(groups), m.v1); ok {
			least = min(least, m.least(root, group))
		}
	}
	return least, least != math.MaxInt64
}

// mount is where groups are to be seen.
type mount struct {
	v1    bool   // of version 1, where each kind of groups may have a mount of its own
	group string // the group that is on top there
	point string // without the first slash
}

// parseMount reads a line of /proc/self/mountinfo (see proc_pid_mountinfo(5)), and tells whether it is a mount of
// groups that limit memory.
func parseMount(line string) (mount, bool) {
	first, last, _ := strings.Cut(line, " - ")
	f, l := strings.Fields(first), strings.Fields(last)
	if len(f) < 5 || len(l) < 3 {
		return mount{}, false
	}
	m := mount{v1: l[0] == "cgroup", group: f[3], point: strings.TrimPrefix(f[4], "/")}
	return m, l[0] == "cgroup2" || m.v1 && slices.Contains(strings.Split(l[2], ","), "memory")
}

// groupOf returns the process's group in /proc/self/cgroup: that of version 2, or that of version 1 that limits memory.
func groupOf(groups string, v1 bool) (string, bool) {
	for line := range strings.Lines(groups) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) < 3 {
			continue
		}
		if !v1 && parts[1] == "" || v1 && slices.Contains(strings.Split(parts[1], ","), "memory") {
			return parts[2], true
		}
	}
	return "", false
}

// least returns the least limit of a group and those above it. A group that is not below what is mounted (as in a
// container that sees its own group only) is what is mounted.
func (m mount) least(root fs.FS, group string) int64 {
	below, ok := strings.CutPrefix(group, strings.TrimSuffix(m.group, "/")+"/")
	if !ok || strings.Contains(below, "..") {
		below = ""
	}
	file := "memory.max"
	if m.v1 {
		file = "memory.limit_in_bytes"
	}
	least := int64(math.MaxInt64)
	for dir := path.Join(m.point, below); ; dir = path.Dir(dir) {
		text, _ := fs.ReadFile(root, path.Join(dir, file)) // the topmost group has none
		// No limit is "max", or in version 1 the largest number of pages.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n < 1<<60 {
			least = min(least, n)
		}
		if dir == m.point || dir == "." {
			return least
		}
	}
}
