//go:build linux

package futex

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

// inKernel returns how many sleep on w: the kernel tells when it moves them to another
// word, and they are moved back.
func inKernel(t *testing.T, w *atomic.Uint32) int {
	t.Helper()
	const opCmpRequeue = 4
	var other atomic.Uint32
	move := func(from, to *atomic.Uint32) int {
		n, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(from)), opCmpRequeue,
			0, 1<<20, uintptr(unsafe.Pointer(to)), uintptr(from.Load()))
		require.Zero(t, errno)
		return int(n)
	}
	n := move(w, &other)
	move(&other, w) // all but who was interrupted meanwhile, and sleeps on w again
	return n
}

// A wake of one could be spent on a process that dies, or that finds no room.
func TestBroadcastWakesEverySleeper(t *testing.T) {
	watchdog(t)
	const sleepers = 3
	var e layout.Event
	seq := Sample(&e)
	done := make(chan error, sleepers)
	for range sleepers {
		go func() { done <- Wait(&e.Seq, seq, Never) }()
	}
	for inKernel(t, &e.Seq) < sleepers {
		shmtest.Yield()
	}
	Broadcast(&e)
	for range sleepers {
		require.NoError(t, <-done)
	}
}
