//go:build linux

package shm_test

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/shm"
)

func TestLastOutIsAskedAndDecides(t *testing.T) {
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	require.NoError(t, a.Detach(t.Context(), func() bool {
		t.Error("b is still attached")
		return true
	}))
	require.FileExists(t, b.Path())
	require.NoError(t, b.Detach(t.Context(), never))
	require.FileExists(t, b.Path())
	c := open(t, "a")
	require.NoError(t, c.Detach(t.Context(), always))
	require.NoFileExists(t, c.Path())
	require.NoError(t, c.Detach(t.Context(), func() bool {
		t.Error("a second detach does nothing")
		return true
	}))
	require.NoError(t, c.Close())
}

func TestTwoLastDetachesAtOnceLeaveNothing(t *testing.T) {
	begin(t)
	for range 200 {
		a := create(t, "a")
		b := open(t, "a")
		asked, start, all := atomic.Int32{}, make(chan struct{}), sync.WaitGroup{}
		for _, s := range []*shm.Segment{a, b} {
			all.Go(func() {
				<-start
				assert.NoError(t, s.Detach(t.Context(), func() bool {
					asked.Add(1)
					return true
				}))
			})
		}
		close(start)
		all.Wait()
		require.EqualValues(t, 1, asked.Load(), "exactly one is the last")
		require.NoFileExists(t, a.Path())
	}
}

func TestTwoDetachesOfOneAttachmentAreOne(t *testing.T) {
	begin(t)
	for range 200 {
		s := create(t, "a")
		asked, all := atomic.Int32{}, sync.WaitGroup{}
		for range 3 {
			all.Go(func() {
				assert.NoError(t, s.Detach(t.Context(), func() bool {
					asked.Add(1)
					return s.View().Control.State.V.Load() == 0 // still mapped
				}))
			})
		}
		all.Wait()
		require.EqualValues(t, 1, asked.Load())
		require.NoFileExists(t, s.Path())
	}
}

func TestAttachAgainstTheLastDetachIsAttachedOrFindsNothing(t *testing.T) {
	begin(t)
	found := 0
	for range 200 {
		s := create(t, "a")
		var heir *shm.Segment
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			heir, err = shm.Open(t.Context(), shm.OpenOptions{Name: "a"})
		}()
		require.NoError(t, s.Detach(t.Context(), always))
		<-done
		if err != nil {
			require.ErrorIs(t, err, os.ErrNotExist)
			require.NoFileExists(t, s.Path())
			continue
		}
		found++
		linked, err := heir.Linked()
		require.NoError(t, err)
		require.True(t, linked, "nobody is attached to what has no name")
		require.NoError(t, heir.Detach(t.Context(), always))
	}
	t.Logf("%d of 200 came in time", found)
}

func TestDetachWhoseMemoryIsGoneCloses(t *testing.T) {
	begin(t)
	s := create(t, "a")
	require.NoError(t, os.Truncate(s.Path(), 0))
	err := s.Detach(t.Context(), always)
	require.ErrorIs(t, err, shm.ErrFault)
	require.ErrorIs(t, s.Claim(0), os.ErrClosed)
}

func TestUnlinkSparesASuccessor(t *testing.T) {
	begin(t)
	first := create(t, "a")
	require.NoError(t, os.Remove(first.Path()))
	require.NoError(t, first.Unlink(), "gone is gone")
	second := create(t, "a")
	linked, err := first.Linked()
	require.NoError(t, err)
	require.False(t, linked)
	require.NoError(t, first.Unlink())
	require.NoError(t, first.Detach(t.Context(), always))
	linked, err = second.Linked()
	require.NoError(t, err)
	require.True(t, linked)
}

func TestTryExclusiveKeepsTheSharedLockWhenItFails(t *testing.T) {
	begin(t)
	a := create(t, "a")
	won, err := a.TryExclusive()
	require.NoError(t, err)
	require.True(t, won)
	require.NoError(t, a.Downgrade())
	b := open(t, "a")
	for range 2 { // a failed try leaves both attached
		for _, s := range []*shm.Segment{a, b} {
			won, err := s.TryExclusive()
			require.NoError(t, err)
			require.False(t, won)
		}
	}
	require.NoError(t, b.Close())
	won, err = a.TryExclusive()
	require.NoError(t, err)
	require.True(t, won)
	require.NoError(t, a.Downgrade())
	require.NoError(t, open(t, "a").Close())
}

func TestClosedSegmentRefusesEverything(t *testing.T) {
	begin(t)
	s := create(t, "a")
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err := s.Control(context.Background(), "test")
	require.ErrorIs(t, err, os.ErrClosed)
	_, _, err = s.TryControl("test")
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = s.TryExclusive()
	require.ErrorIs(t, err, os.ErrClosed)
	require.ErrorIs(t, s.Downgrade(), os.ErrClosed)
	require.ErrorIs(t, s.Claim(0), os.ErrClosed)
	_, err = s.Alive(0)
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = s.File()
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = s.Links()
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = s.Notify(func(shm.Notice) {})
	assert.ErrorIs(t, err, os.ErrClosed)
}
