//go:build linux

package history

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// A Clock tells the time of the machine's monotonic clock, which all processes share. Go
// reads it without a system call, but only relative to a moment of its own; that moment is
// known up to an error, so the clock has two hands: one that is never ahead of the truth
// and one that is never behind it. What ended before something else began, by these hands,
// really did.
type Clock struct {
	base        time.Time
	early, late int64
}

// NewClock returns a clock, having compared it with the machine's some times.
func NewClock() Clock {
	best := Clock{early: 0, late: math.MaxInt64}
	for range 32 {
		before := machineNow()
		base := time.Now()
		after := machineNow()
		if after-before < best.late-best.early {
			best = Clock{base: base, early: before, late: after}
		}
	}
	return best
}

// Begin returns a time that is not after now: when something begins.
func (c Clock) Begin() int64 { return c.early + int64(time.Since(c.base)) }

// End returns a time that is not before now: when something has ended.
func (c Clock) End() int64 { return c.late + int64(time.Since(c.base)) }

func machineNow() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // the clock exists on every Linux
	}
	return ts.Nano()
}
