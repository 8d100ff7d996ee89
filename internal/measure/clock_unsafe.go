package measure

import (
	_ "unsafe" // for the link to the runtime
)

// Now returns the present moment in nanoseconds of CLOCK_MONOTONIC, which is the same in
// all processes of a machine. It makes no system call where the kernel lets programs read
// the clock by themselves.
func Now() int64 { return nanotime() }

// nanotime is the clock of the runtime, and of time.Since. Package time does not say
// when its zero is, and the kernel's call takes longer than the way of a message.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64
