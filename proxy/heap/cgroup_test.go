package heap

import (
	"testing"
	"testing/fstest"
)

const (
	v2       = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	v1       = "41 32 0:35 / /sys/fs/cgroup/memory rw shared:17 - cgroup cgroup rw,memory\n"
	v1Docker = "41 32 0:35 /docker/c0ffee /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
	others   = "23 1 8:1 / / rw - ext4 /dev/sda1 rw\n42 32 0:36 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\nnonsense\n"
	hybrid   = "43 32 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	none1    = "9223372036854771712\n"
)

func TestContainer(t *testing.T) {
	for name, c := range map[string]struct {
		mounts, groups string
		files          map[string]string
		want           int64 // 0 = none
	}{
		"v2 in a container": {v2, "0::/\n", map[string]string{"memory.max": "268435456\n"}, 256 << 20},
		"v2 below its parents": {v2, "0::/pods/pod7/c1\n", map[string]string{
			"pods/pod7/c1/memory.max": "max\n", "pods/pod7/memory.max": "1000\n", "pods/memory.max": "2000\n"}, 1000},
		"v2 without a limit":       {v2, "0::/user.slice\n", map[string]string{"user.slice/memory.max": "max\n"}, 0},
		"v2, group outside":        {v2, "0::/../other\n", map[string]string{"memory.max": "7\n", "other/memory.max": "5\n"}, 7},
		"v2 without memory groups": {v2, "0::/a\n", nil, 0},
		"v1":                       {v1, "4:memory:/a/b\n0::/\n", map[string]string{"memory/a/b/memory.limit_in_bytes": "3000\n", "memory/memory.limit_in_bytes": none1}, 3000},
		"v1, the parent's":         {v1, "4:memory:/a/b\n", map[string]string{"memory/a/b/memory.limit_in_bytes": none1, "memory/a/memory.limit_in_bytes": "4000\n"}, 4000},
		"v1 without a limit":       {v1, "4:memory:/a\n", map[string]string{"memory/a/memory.limit_in_bytes": none1}, 0},
		"v1 in a container":        {v1Docker, "4:memory:/docker/c0ffee\n", map[string]string{"memory/memory.limit_in_bytes": "5000\n"}, 5000},
		"v1 and v2":                {v1 + hybrid, "4:memory:/a\n0::/b\n", map[string]string{"memory/a/memory.limit_in_bytes": "6000\n", "unified/b/memory.max": "7000\n"}, 6000},
		"neither":                  {"", "", nil, 0},
		"no number":                {v2, "0::/\n", map[string]string{"memory.max": "lots\n"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{
				"proc/self/mountinfo": {Data: []byte(others + c.mounts)},
				"proc/self/cgroup":    {Data: []byte("5:cpu,cpuacct:/x\nnonsense\n" + c.groups)},
			}
			for file, text := range c.files {
				root["sys/fs/cgroup/"+file] = &fstest.MapFile{Data: []byte(text)}
			}
			got, ok := container(root)
			if ok != (c.want != 0) || ok && got != c.want {
				t.Errorf("%d, %v; want %d", got, ok, c.want)
			}
		})
	}
}
