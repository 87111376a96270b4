package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// source is a published trace: one integer per access.
type source struct {
	name       string
	file       string
	width      int // bytes of an integer
	order      binary.ByteOrder
	capacities []int // entries
}

// The traces lie in the resources of the simulator of github.com/ben-manes/caffeine: cache2k (CC BY 4.0,
// headissue GmbH, Jens Wilke), cloud_physics and corda (Apache-2.0).
var sources = []source{
	{"web12", "web12.trace.xz", 4, binary.BigEndian, []int{300, 1200, 3000}},
	{"orm-busy", "orm-busy.trace.xz", 4, binary.BigEndian, []int{625, 2500, 10000}},
	{"w106", "w106.trace.xz", 4, binary.LittleEndian, []int{1000, 10000, 50000}},
	{"vaultservice", "trace_vaultservice.gz", 8, binary.BigEndian, []int{512, 5000}},
}

// read returns the trace with its keys numbered from 0 in the order of their first access.
func (s source) read(dir string) ([]uint32, error) {
	raw, err := unpack(filepath.Join(dir, s.file))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	trace := make([]uint32, 0, len(raw)/s.width)
	ids := map[uint64]uint32{}
	for ; len(raw) >= s.width; raw = raw[s.width:] {
		var key uint64
		if s.width == 8 {
			key = s.order.Uint64(raw)
		} else {
			key = uint64(s.order.Uint32(raw))
		}
		id, ok := ids[key]
		if !ok {
			id = uint32(len(ids))
			ids[key] = id
		}
		trace = append(trace, id)
	}
	return trace, nil
}

// unpack reads a file that ends in .gz or .xz, or one that is not packed.
func unpack(path string) ([]byte, error) {
	if strings.HasSuffix(path, ".xz") {
		return exec.Command("xz", "-dc", path).Output()
	}
	b, err := os.ReadFile(path)
	if err != nil || !strings.HasSuffix(path, ".gz") {
		return b, err
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
