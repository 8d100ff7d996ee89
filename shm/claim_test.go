//go:build linux

package shm_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/shm"
)

func init() {
	children["claim"] = childClaim
}

func alive(t *testing.T, s *shm.Segment, place int) bool {
	t.Helper()
	is, err := s.Alive(place)
	require.NoError(t, err)
	return is
}

func TestClaimExcludesInsideOneAttachment(t *testing.T) {
	begin(t)
	s := create(t, "a")
	assert.False(t, alive(t, s, 3))
	require.NoError(t, s.Claim(3))
	assert.True(t, alive(t, s, 3), "its own places too")
	err := s.Claim(3)
	require.ErrorIs(t, err, shm.ErrBusy)
	require.ErrorContains(t, err, "this process")
	assert.True(t, alive(t, s, 3), "a refused claim frees nothing")
	require.NoError(t, s.Claim(4))
	require.NoError(t, s.Unclaim(3))
	assert.False(t, alive(t, s, 3))
	assert.True(t, alive(t, s, 4))
	require.Error(t, s.Unclaim(3), "it is not ours any more")
	require.NoError(t, s.Claim(3))
}

func TestClaimExcludesBetweenTwoAttachmentsOfOneProcess(t *testing.T) {
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	require.NoError(t, a.Claim(0))
	require.ErrorIs(t, b.Claim(0), shm.ErrBusy)
	require.Error(t, b.Unclaim(0))
	for _, s := range []*shm.Segment{a, b} {
		assert.True(t, alive(t, s, 0))
		assert.False(t, alive(t, s, 1), "its neighbour")
	}
	require.NoError(t, a.Close())
	assert.False(t, alive(t, b, 0), "closing frees it")
	require.NoError(t, b.Claim(0))
}

func TestEveryPlaceHasItsOwnByte(t *testing.T) {
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	for place := 0; place < layout.MaxParticipants; place += 2 {
		require.NoError(t, a.Claim(place))
	}
	for place := range layout.MaxParticipants {
		assert.Equal(t, place%2 == 0, alive(t, b, place), place)
	}
	release, err := b.Control(t.Context(), "test")
	require.NoError(t, err, "places and the other bytes do not touch")
	release()
}

func TestOfConcurrentClaimsOneWins(t *testing.T) {
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	for place := range 64 {
		wins, all := atomic.Int32{}, sync.WaitGroup{}
		for i := range 6 {
			s := []*shm.Segment{a, b}[i%2]
			all.Go(func() {
				err := s.Claim(place)
				if err == nil {
					wins.Add(1)
				} else {
					assert.ErrorIs(t, err, shm.ErrBusy)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, wins.Load())
	}
}

func childClaim(c *shmtest.Conn, args []string) error {
	s, err := shm.Open(context.Background(), shm.OpenOptions{Name: args[0]})
	if err != nil {
		return err
	}
	return holdPlace(c, s, args[1])
}

// holdPlace claims a place and keeps it until it hears from its parent.
func holdPlace(c *shmtest.Conn, s *shm.Segment, number string) error {
	place, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	if err := s.Claim(place); err != nil {
		return err
	}
	c.Say("claimed")
	c.Hear()
	return s.Close()
}

func TestPlaceOfAnotherProcessIsKeptWhileItIsStoppedAndFreeWhenItIsDead(t *testing.T) {
	begin(t)
	s := create(t, "a")
	child := shmtest.Start(t, "claim", "a", "5")
	child.Expect("claimed")
	require.ErrorIs(t, s.Claim(5), shm.ErrBusy)
	child.Signal(syscall.SIGSTOP)
	for child.Running() && !stopped(t, child.PID()) {
		shmtest.Yield()
	}
	assert.True(t, alive(t, s, 5), "stopped is not dead")
	won, err := s.TryExclusive()
	require.NoError(t, err)
	assert.False(t, won)
	child.Signal(syscall.SIGKILL)
	for alive(t, s, 5) {
		shmtest.Yield()
	}
	require.NoError(t, s.Claim(5), "free although nobody has collected the zombie")
	child.Kill()
	won, err = s.TryExclusive()
	require.NoError(t, err)
	assert.True(t, won)
}

// stopped reports whether a process is stopped by a signal.
func stopped(t *testing.T, pid int) bool {
	t.Helper()
	return statusOf(t, pid) == "T"
}

func TestPlaceOfAProcessThatClosesIsFree(t *testing.T) {
	begin(t)
	s := create(t, "a")
	child := shmtest.Start(t, "claim", "a", "0")
	child.Expect("claimed")
	child.Say("close")
	require.NoError(t, child.Wait())
	assert.False(t, alive(t, s, 0))
}

func TestSharedLockOfAReaderIsNoSignOfLife(t *testing.T) {
	begin(t)
	s := create(t, "a")
	seen, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a", ReadOnly: true})
	require.NoError(t, err)
	closeAtEnd(t, seen)
	f, err := seen.File()
	require.NoError(t, err)
	lock := unix.Flock_t{
		Type: unix.F_RDLCK, Start: layout.LockBase + layout.LockParticipant + 2, Len: 1,
	}
	require.NoError(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock))
	assert.False(t, alive(t, s, 2))
	require.ErrorIs(t, s.Claim(2), shm.ErrBusy, "though it can be in the way")
	require.NoError(t, f.Close())
	require.NoError(t, s.Claim(2))
}

func TestCloseBesideRunningCallsEndsThemWithAnError(t *testing.T) {
	begin(t)
	for range 50 {
		s := create(t, "a")
		all := sync.WaitGroup{}
		for place := range 4 {
			all.Go(func() {
				for {
					if s.Claim(place) != nil {
						return
					}
					if _, err := s.Alive(place); err != nil {
						return
					}
					if release, err := s.Control(t.Context(), "test"); err == nil {
						release()
					}
					if s.Unclaim(place) != nil {
						return
					}
				}
			})
		}
		shmtest.Yield()
		require.NoError(t, s.Close())
		all.Wait()
		require.NoError(t, shm.Remove(t.Context(), "", "a", shm.RemoveOptions{}))
	}
}
