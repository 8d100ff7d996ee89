//go:build linux

package shm_test

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/shmtest"
	"shmring/shm"
)

func TestGuardGivesWhatItsFunctionGives(t *testing.T) {
	begin(t)
	s := create(t, "a")
	require.NoError(t, s.Guard(func() error { return nil }))
	cause := errors.New("mine")
	require.ErrorIs(t, s.Guard(func() error { return cause }), cause)
}

func TestGuardTurnsMemoryThatIsGoneIntoAnErrorForReadsAndWrites(t *testing.T) {
	begin(t)
	s := create(t, "a")
	v := s.View()
	require.NoError(t, os.Truncate(s.Path(), 4096))
	for name, touch := range map[string]func(){
		"load":  func() { v.Control.State.V.Load() },
		"store": func() { v.Control.State.V.Store(1) },
		"cas":   func() { v.Control.Tail.V.CompareAndSwap(1, 2) },
		"copy":  func() { copy(v.Slots, "payload") },
		"last":  func() { v.Slots[len(v.Slots)-1] = 1 },
	} {
		err := s.Guard(func() error {
			touch()
			return nil
		})
		require.ErrorIs(t, err, shm.ErrFault, name)
		require.ErrorContains(t, err, "truncated or punched", name)
	}
}

func TestGuardLetsOtherPanicsPass(t *testing.T) {
	begin(t)
	a, b := create(t, "a"), create(t, "b")
	require.PanicsWithValue(t, "mine", func() { _ = a.Guard(func() error { panic("mine") }) })
	require.NoError(t, os.Truncate(b.Path(), 0))
	err := b.Guard(func() error {
		return a.Guard(func() error {
			b.View().Slots[0] = 1 // a fault, but not of a
			return nil
		})
	})
	require.ErrorIs(t, err, shm.ErrFault, "whose memory it is catches it")
	require.Panics(t, func() {
		_ = a.Guard(func() error {
			var none *os.File
			_ = none.Name()
			return nil
		})
	})
}

func TestGuardPutsBackHowFaultsAreTaken(t *testing.T) {
	begin(t)
	s := create(t, "a")
	for _, before := range []bool{true, false} {
		old := debug.SetPanicOnFault(before)
		require.NoError(t, s.Guard(func() error { return nil }))
		assert.Equal(t, before, debug.SetPanicOnFault(old))
	}
}

func TestPunchedMemoryReadsZeroesWithoutAFault(t *testing.T) {
	begin(t)
	s := create(t, "a")
	s.View().Control.State.V.Store(9)
	f, err := os.OpenFile(s.Path(), os.O_RDWR, 0)
	require.NoError(t, err)
	const punch = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	require.NoError(t, unix.Fallocate(int(f.Fd()), punch, 0, int64(s.Header().TotalSize)))
	require.NoError(t, f.Close())
	require.NoError(t, s.Guard(func() error {
		assert.Zero(t, s.View().Control.State.V.Load())
		return nil
	}))
	_, err = shm.Open(t.Context(), shm.OpenOptions{Name: "a"})
	require.ErrorIs(t, err, shm.ErrCorrupt)
}

func TestDescribeSaysWhetherThePidCanBeBelieved(t *testing.T) {
	me := shm.Myself()
	require.NotZero(t, me.Start)
	require.NotEmpty(t, me.Comm)
	who := fmt.Sprintf("pid %d (worker)", me.PID)
	for want, got := range map[string]string{
		"somebody unknown":                shm.Describe(0, me.PIDNS, 0, "worker"),
		who:                               shm.Describe(me.PID, me.PIDNS, me.Start, "worker"),
		fmt.Sprintf("pid %d", me.PID):     shm.Describe(me.PID, me.PIDNS, 0, ""),
		who + ", which has ended":         shm.Describe(me.PID, me.PIDNS, me.Start+1, "worker"),
		who + " in another pid namespace": shm.Describe(me.PID, me.PIDNS+1, me.Start, "worker"),
	} {
		assert.Equal(t, want, got)
	}
	shmtest.Watchdog(t, limit)
	c := shmtest.Start(t, "claim", "missing", "0")
	require.Error(t, c.Wait())
	assert.Contains(t, shm.Describe(uint32(c.PID()), me.PIDNS, 1, ""), "which has ended")
}
