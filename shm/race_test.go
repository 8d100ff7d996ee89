//go:build linux && race

package shm_test

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/shm"
)

// Under the race detector all tests of this package run on mappings that it sees. 0 in the
// environment lets them run on plain ones, as programs of users do.
func init() {
	if os.Getenv(race.EnvVisible) == "" {
		_ = os.Setenv(race.EnvVisible, "1") // the name is a good one
	}
}

func requireVisible(t *testing.T) {
	t.Helper()
	if !race.Visible() {
		t.Skip("mappings are plain")
	}
}

func TestAttachmentsOfAProcessAreOneMemoryToTheDetector(t *testing.T) {
	requireVisible(t)
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	other := create(t, "b")
	assert.Same(t, a.View().Control, b.View().Control)
	assert.NotSame(t, a.View().Control, other.View().Control)
	for _, s := range []*shm.Segment{a, b, other} {
		detachAndRemove(t, s)
	}
}

// The mapping is that of a description of its own: one that a closed attachment left
// mapped would keep its locks.
func TestSharedMappingKeepsNoLock(t *testing.T) {
	requireVisible(t)
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	require.NoError(t, a.Claim(2))
	require.NoError(t, a.Close())
	alive, err := b.Alive(2)
	require.NoError(t, err)
	assert.False(t, alive)
	require.NoError(t, b.Claim(2))
	detachAndRemove(t, b)
}

func TestMemoryThatWasUnmappedFaultsAndComesBackEmpty(t *testing.T) {
	requireVisible(t)
	begin(t)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for range 40 { // more than stay unmapped
		s := create(t, "a")
		word := &s.View().Deaths[0].Claim
		require.Zero(t, word.Load())
		plain := &s.View().Slots[0]
		*plain = 1
		detachAndRemove(t, s)
		assert.Panics(t, func() { *plain = 2 })
		runtime.GC()
	}
	heap := layout.HeapMemory(1 << 20)
	assert.Equal(t, len(heap), bytes.Count(heap, []byte{0}), "what comes back is empty")
}

func detachAndRemove(t *testing.T, s *shm.Segment) {
	t.Helper()
	require.NoError(t, s.Detach(t.Context(), always))
}
