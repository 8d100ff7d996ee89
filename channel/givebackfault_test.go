//go:build linux && fault

package channel_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/state"
)

// failing makes a call of the kernel fail at its n-th time.
func failing(t *testing.T, call string, errno syscall.Errno, n int) {
	t.Helper()
	require.NoError(t, fault.SetRules(fmt.Sprintf("%s:errno=%d:%d", call, errno, n)))
	t.Cleanup(func() { require.NoError(t, fault.SetRules("")) })
}

func TestDrainGoesOnWhereTheFileSystemGivesNothingBack(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, giving())
	tx, rx := pair(t, ch)
	end, err := fillRing(ctx, tx, 0)
	require.NoError(t, err)
	failing(t, "shm.giveback.punch", syscall.EOPNOTSUPP, 1)
	done := make(chan error, 1)
	go func() { done <- ch.Drain(ctx, nil) }()
	awaitWaiting(t, ch, "drain")
	require.NoError(t, takeIn(ctx, rx, 0, end))
	require.NoError(t, <-done)
	require.Zero(t, givenBack(t, ch), "it is tried once")
	require.NoError(t, ch.Close())
}

// TestRecoverAfterARollbackThatFoundNoRoomAtEachStep fails each of the calls of a refill.
func TestRecoverAfterARollbackThatFoundNoRoomAtEachStep(t *testing.T) {
	ctx := begin(t)
	o := giving()
	o.ArenaBytes = 16 << 20
	ch := newChannel(t, o)
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	over, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	for n := 1; n <= 5; n++ { // 17 MiB in steps of four
		require.NoError(t, tx.Send(ctx, payload(n)))
		dctx, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- ch.Drain(dctx, nil) }()
		awaitGivenBack(t, ch, 16<<20)
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
		given := givenBack(t, ch)
		failing(t, "shm.refill.allocate", syscall.ENOSPC, n)
		_, err = ch.Shutdown(over, channel.ShutdownOptions{AtDeadline: channel.Rollback})
		require.ErrorIs(t, err, channel.ErrNoSpace)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, state.Error, ch.State())
		require.Contains(t, ch.Reason(), "rolled back only so far: not enough shared memory")
		require.Equal(t, given, givenBack(t, ch), "what it got is given back")
		require.ErrorIs(t, tx.Send(ctx, nil), channel.ErrState)
		failing(t, "shm.refill.allocate", syscall.ENOSPC, n)
		require.ErrorIs(t, mend(ctx, ch), channel.ErrNoSpace)
		require.Equal(t, state.Error, ch.State())
		require.NoError(t, mend(ctx, ch))
		require.Equal(t, state.Active, ch.State())
		require.Zero(t, givenBack(t, ch))
		require.NoError(t, takeIn(ctx, rx, n, 1))
	}
	require.NoError(t, ch.Close())
}

// TestReceiverThatWaitsForARollbackIsToldThatItFailed would wait for ever if nobody woke it.
func TestReceiverThatWaitsForARollbackIsToldThatItFailed(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, giving())
	other, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	rx, err := other.Receiver(ctx)
	require.NoError(t, err)
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	require.NoError(t, tx.Send(ctx, nil)) // else the end would be final
	require.NoError(t, ch.Seal("a test"))
	failing(t, "shm.refill.allocate", syscall.ENOSPC, 1)
	got := make(chan error, 1)
	atPoint(t, "channel.refill.begin", func() {
		m, err := rx.TryRecv()
		require.NoError(t, err)
		m.Release()
		go func() {
			_, err := rx.Recv(ctx)
			got <- err
		}()
		awaitWaiting(t, other, "data")
	})
	over, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	_, err = ch.Shutdown(over, channel.ShutdownOptions{AtDeadline: channel.Rollback})
	require.ErrorIs(t, err, channel.ErrNoSpace)
	require.ErrorIs(t, <-got, channel.ErrState)
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	require.NoError(t, other.Close())
	require.NoError(t, ch.Close())
}

// TestReleaseWhileOthersCountIsNoHole gives back what somebody is just counting.
func TestReleaseWhileOthersCountIsNoHole(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, giving())
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	done, next, end := halfway(ctx, t, ch, rx, nil)
	counted := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		for {
			r, err := ch.Recover(ctx)
			if err == nil && r.Holes != 0 {
				err = fmt.Errorf("%d holes where everything was sent", r.Holes)
			}
			select {
			case <-stop:
				counted <- err
				return
			default:
			}
			if err != nil {
				counted <- err
				return
			}
		}
	}()
	require.NoError(t, takeIn(ctx, rx, next, end-next))
	require.NoError(t, <-done)
	close(stop)
	require.NoError(t, <-counted)
	require.NoError(t, ch.Close())
}
