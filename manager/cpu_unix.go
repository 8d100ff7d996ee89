//go:build unix

package manager

import (
	"time"

	"golang.org/x/sys/unix"
)

// processTime returns the processor time of this process, in user and kernel mode.
func processTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
