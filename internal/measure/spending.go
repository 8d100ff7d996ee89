package measure

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Spending is what a process has used up. It travels as JSON.
type Spending struct {
	CPU      time.Duration // of all its threads
	Switches uint64        // context switches, wanted or not
	Mallocs  uint64
	Syscalls uint64 // of the path that is measured
}

// Spent returns what this process has used up so far. Without syscalls, somebody else
// counts those.
func Spent(syscalls func() uint64) Spending {
	var s Spending
	if syscalls != nil {
		s.Syscalls = syscalls()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.Mallocs = m.Mallocs
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err == nil {
		s.Switches = uint64(usage.Nvcsw + usage.Nivcsw)
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err == nil {
		s.CPU = time.Duration(ts.Nano())
	}
	return s
}

// Minus returns what was used up since o.
func (s Spending) Minus(o Spending) Spending {
	return Spending{
		CPU: s.CPU - o.CPU, Switches: s.Switches - o.Switches, Mallocs: s.Mallocs - o.Mallocs,
		Syscalls: s.Syscalls - o.Syscalls,
	}
}

// Plus returns what two processes used up.
func (s Spending) Plus(o Spending) Spending {
	return Spending{
		CPU: s.CPU + o.CPU, Switches: s.Switches + o.Switches, Mallocs: s.Mallocs + o.Mallocs,
		Syscalls: s.Syscalls + o.Syscalls,
	}
}

// ClockCost is what one reading of the clock takes, in nanoseconds.
func ClockCost() float64 {
	const readings = 1 << 16
	first := Now()
	last := first
	for range readings {
		last = Now()
	}
	return float64(last-first) / readings
}
