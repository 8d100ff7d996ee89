//go:build linux

package shm_test

import (
	"context"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
	"shmring/shm"
)

func init() {
	children["control"] = childControl
}

func TestControlLockExcludesInsideOneAttachmentAndBetweenTwo(t *testing.T) {
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	release, err := a.Control(t.Context(), "count sheep")
	require.NoError(t, err)
	for name, s := range map[string]*shm.Segment{"the same": a, "another": b} {
		_, ok, err := s.TryControl("test")
		require.NoError(t, err, name)
		require.False(t, ok, name)
		_, err = s.Control(soon(t), "test")
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		require.ErrorIs(t, err, shm.ErrBusy, name)
		require.ErrorContains(t, err, "pid "+strconv.Itoa(os.Getpid()))
		require.ErrorContains(t, err, "count sheep")
	}
	release()
	for _, s := range []*shm.Segment{a, b, a} {
		release, ok, err := s.TryControl("test")
		require.NoError(t, err)
		require.True(t, ok)
		release()
	}
}

func TestControlLockThatIsFreeIsHadEvenIfTheContextHasEnded(t *testing.T) {
	begin(t)
	s := create(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	release, err := s.Control(ctx, "test")
	require.NoError(t, err)
	release()
}

func TestControlLockIsHeldByOneAtATime(t *testing.T) {
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	count, all := 0, sync.WaitGroup{}
	inside := make(chan struct{}, 1) // full while somebody is
	for i := range 8 {
		s := a
		if i%2 == 1 {
			s = b
		}
		all.Go(func() {
			for range 20 {
				release, err := s.Control(t.Context(), "count")
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case inside <- struct{}{}:
				default:
					t.Error("two have the lock")
				}
				count++
				<-inside
				release()
			}
		})
	}
	all.Wait()
	assert.Equal(t, 160, count)
}

func childControl(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	s, err := shm.Open(ctx, shm.OpenOptions{Name: args[0]})
	if err != nil {
		return err
	}
	if _, err := s.Control(ctx, "sit on it"); err != nil {
		return err
	}
	c.Say("locked")
	c.Hear()
	return nil
}

func TestControlLockOfAStoppedProcessIsKeptAndThatOfADeadOneIsFree(t *testing.T) {
	begin(t)
	s := create(t, "a")
	child := shmtest.Start(t, "control", "a")
	child.Expect("locked")
	child.Signal(syscall.SIGSTOP)
	_, err := s.Control(soon(t), "test")
	require.ErrorIs(t, err, shm.ErrBusy)
	require.ErrorContains(t, err, "pid "+strconv.Itoa(child.PID()))
	require.ErrorContains(t, err, "sit on it")
	waits := make(chan error)
	go func() {
		release, err := s.Control(t.Context(), "test")
		if err == nil {
			release()
		}
		waits <- err
	}()
	child.Kill()
	require.NoError(t, <-waits)
}

func TestDetachWhileAStoppedProcessHoldsTheControlLockClosesPlainly(t *testing.T) {
	begin(t)
	s := create(t, "a")
	child := shmtest.Start(t, "control", "a")
	child.Expect("locked")
	child.Signal(syscall.SIGSTOP)
	err := s.Detach(soon(t), func() bool {
		t.Error("nobody can decide without the lock")
		return true
	})
	require.ErrorIs(t, err, shm.ErrBusy)
	require.ErrorIs(t, s.Claim(2), os.ErrClosed)
	require.FileExists(t, s.Path())
	child.Kill()
	require.NoError(t, shm.Remove(t.Context(), "", "a", shm.RemoveOptions{}), "gc does the rest")
}

func TestCloseEndsWhoeverWaitsForTheControlLock(t *testing.T) {
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	release, err := a.Control(t.Context(), "test")
	require.NoError(t, err)
	defer release()
	waits := make(chan error)
	for range 3 {
		go func() {
			_, err := b.Control(t.Context(), "test")
			waits <- err
		}()
	}
	require.NoError(t, b.Close())
	for range 3 {
		require.ErrorIs(t, <-waits, os.ErrClosed)
	}
}

func TestReleaseAfterCloseTouchesNoMemory(t *testing.T) {
	begin(t)
	a := create(t, "a")
	release, err := a.Control(t.Context(), "test")
	require.NoError(t, err)
	require.NoError(t, a.Close())
	b := create(t, "b") // the kernel likes to map it where a was
	releaseB, err := b.Control(t.Context(), "test")
	require.NoError(t, err)
	release()
	assert.NotZero(t, b.View().Control.Holder.Who.PID.Load(), "that is somebody else's memory")
	releaseB()
}
