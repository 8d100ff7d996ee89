//go:build linux

package futex

import (
	"math"

	"golang.org/x/sys/unix"
)

// Now returns the present moment.
func Now() Deadline {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // the clock exists on every Linux
	}
	return Deadline(ts.Nano())
}

// farthest is the last moment that a 32-bit machine can tell its kernel: 68 years.
const farthest Deadline = math.MaxInt32 * 1e9

// timespec fills t for the kernel, which refuses what lies before the boot. It
// returns nil for Never.
func (d Deadline) timespec(t *unix.Timespec) *unix.Timespec {
	if d == Never {
		return nil
	}
	*t = unix.NsecToTimespec(int64(min(max(d, 0), farthest)))
	return t
}
