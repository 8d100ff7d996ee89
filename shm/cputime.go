//go:build linux

package shm

import (
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime returns the processor time that this process has used, in user and kernel mode;
// zero if the kernel does not say.
func CPUTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
