//go:build linux

package membarrier

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

// await waits until the kernel has answered.
func await(t *testing.T) {
	t.Helper()
	shmtest.Watchdog(t, time.Minute)
	All() // the first one asks
	for !usable.Load() && !refused.Load() {
		shmtest.Yield()
	}
}

func TestPrepareSaysWhatTheKernelAnswered(t *testing.T) {
	await(t)
	require.Equal(t, usable.Load(), Prepare())
	require.Equal(t, call(expedited) == nil, Prepare())
}

// Both ways end, also beside a goroutine that never calls anything.
func TestAllComesBackFromABusyProcess(t *testing.T) {
	await(t)
	var over atomic.Bool
	busy := make(chan struct{})
	go func() {
		defer close(busy)
		for !over.Load() {
		}
	}()
	before := usable.Load()
	for _, able := range []bool{before, false} {
		usable.Store(able)
		for range 10 {
			All()
		}
	}
	usable.Store(before)
	over.Store(true)
	<-busy
}
