//go:build linux

package futex

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// processors returns how many processors this process may use at a time.
func processors() int {
	n := runtime.GOMAXPROCS(0)
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err == nil {
		n = min(n, set.Count())
	}
	return n
}
