//go:build !linux

package futex

import (
	"runtime"
	"sync/atomic"
	"time"

	"shmring/internal/layout"
)

// Nothing sleeps on systems without futexes, so that programs that import the package can
// be built there: every wait fails at once with errors.ErrUnsupported.

// start is the zero of Now.
var start = time.Now()

// Now returns the present moment. It counts from the start of the program.
func Now() Deadline { return Deadline(time.Since(start)) + 1 }

// Wait fails with errors.ErrUnsupported.
func Wait(*atomic.Uint32, uint32, Deadline) error { return layout.Supported() }

// Wake wakes nobody.
func Wake(*atomic.Uint32, int) int { return 0 }

// WakeAll wakes nobody.
func WakeAll(*atomic.Uint32) int { return 0 }

func missing(error) bool { return false }

func waitVector([]Word, Deadline) (int, error) { return -1, layout.Supported() }

func processors() int { return runtime.GOMAXPROCS(0) }

// Yield does nothing.
func Yield() {}

// OneProcessor reports whether this process may use one processor only.
func OneProcessor() bool { return processors() < 2 }

// Disturb does nothing.
func Disturb() {}
