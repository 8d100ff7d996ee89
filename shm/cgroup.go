//go:build linux

package shm

import (
	"bufio"
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupFree returns how much memory the smallest memory cgroup around this process
// leaves, and which one that is. A cgroup that is too small does not make an
// allocation fail: it kills the process.
func cgroupFree() (free uint64, where string, ok bool) {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0, "", false
	}
	return cgroupFreeIn("/sys/fs/cgroup", data)
}

// cgroupFreeIn does that for a hierarchy mounted at root and the text of
// /proc/self/cgroup.
func cgroupFreeIn(root string, membership []byte) (free uint64, where string, ok bool) {
	for line := range strings.Lines(string(membership)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		var at, limit, usage, cache string
		switch {
		case fields[0] == "0" && fields[1] == "":
			at, limit, usage, cache = root, "memory.max", "memory.current", "file"
		case hasController(fields[1], "memory"):
			at, usage = filepath.Join(root, "memory"), "memory.usage_in_bytes"
			limit, cache = "memory.limit_in_bytes", "total_file"
		default:
			continue
		}
		// In a container the path may be that of the host: then the root is ours.
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			full := filepath.Join(at, dir)
			if n, found := groupFree(full, limit, usage, cache); found && (!ok || n < free) {
				free, where, ok = n, "memory cgroup "+dir, true
			}
			if dir == "/" {
				break
			}
		}
	}
	return free, where, ok
}

func hasController(list, want string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == want {
			return true
		}
	}
	return false
}

// groupFree reads one group. Page cache that is only a copy of files can be dropped
// and so counts as free; shared memory cannot and is not among it.
func groupFree(dir, limitFile, usageFile, cache string) (uint64, bool) {
	limit, ok := readNumber(filepath.Join(dir, limitFile))
	if !ok {
		return 0, false
	}
	usage, ok := readNumber(filepath.Join(dir, usageFile))
	if !ok {
		return 0, false
	}
	used := usage - min(usage, droppable(filepath.Join(dir, "memory.stat"), cache))
	return limit - min(limit, used), true
}

// readNumber reads a file that holds one number; "max" and absence are no number.
func readNumber(file string) (uint64, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(data)), 10, 64)
	return n, err == nil
}

// droppable sums the file lists of memory.stat.
func droppable(file, cache string) uint64 {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	active, inactive := "active_file", "inactive_file"
	if cache == "total_file" {
		active, inactive = "total_active_file", "total_inactive_file"
	}
	sum := uint64(0)
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), " ")
		if key != active && key != inactive {
			continue
		}
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			sum += n
		}
	}
	return sum
}
