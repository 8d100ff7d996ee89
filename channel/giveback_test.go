//go:build linux

package channel_test

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/state"
)

func TestMemoryIsGivenBackWhileDraining(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, giving())
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	var steps []channel.Progress
	done, next, end := halfway(ctx, t, ch, rx, func(p channel.Progress) {
		steps = append(steps, p)
	})
	half := givenBack(t, ch)
	require.NoError(t, takeIn(ctx, rx, next, end-next))
	require.NoError(t, <-done)
	all := givenBack(t, ch)
	require.Greater(t, all, half)
	require.Greater(t, all, uint64(3<<20-128<<10), "but for the slot at tail and a small rest")
	last := steps[len(steps)-1]
	require.Zero(t, last.Left)
	require.Equal(t, all, last.GivenBack)
	for i := 1; i < len(steps); i++ {
		require.GreaterOrEqual(t, steps[i].GivenBack, steps[i-1].GivenBack)
	}
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, all, givenBack(t, ch), "nobody touches what was given back")
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	require.NoError(t, ch.Close())
}

func TestRollbackTakesTheMemoryAgain(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, giving())
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	dctx, stop := context.WithCancel(ctx)
	done, next, end := halfway(dctx, t, ch, rx, nil)
	stop()
	require.ErrorIs(t, <-done, context.Canceled)
	over, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	_, err = ch.Shutdown(over, channel.ShutdownOptions{AtDeadline: channel.Rollback})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, channel.ErrNoSpace)
	require.Equal(t, state.Active, ch.State())
	require.Zero(t, givenBack(t, ch))

	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	more, err := fillRing(ctx, tx, end)
	require.NoError(t, err)
	require.Greater(t, more, end)
	require.NoError(t, takeIn(ctx, rx, next, more-next))
	require.NoError(t, ch.Close())
}

func TestSuccessorOfAReceiverGoesOnWhereMemoryWasGivenBack(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, giving())
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	done, next, end := halfway(ctx, t, ch, rx, nil)
	require.NoError(t, rx.Close())
	require.ErrorIs(t, <-done, channel.ErrPeerDead)
	other, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	rx, err = other.Receiver(ctx)
	require.NoError(t, err)
	require.NoError(t, takeIn(ctx, rx, next, end-next))
	require.NoError(t, ch.Drain(ctx, nil))
	require.NoError(t, other.Close())
	require.NoError(t, ch.Close())
}

func TestSuccessorOfAKilledReceiverGetsWhatItHeldAfterMemoryWasGivenBack(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, giving())
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	end, err := fillRing(ctx, tx, 0)
	require.NoError(t, err)
	n := end / 2
	child := shmtest.Start(t, "receive and hold", "q", strconv.Itoa(n))
	child.Expect("holds")
	done := make(chan error, 1)
	go func() { done <- ch.Drain(ctx, nil) }()
	awaitGivenBack(t, ch, 1<<20)
	child.Kill()
	require.ErrorIs(t, <-done, channel.ErrPeerDead)
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	require.True(t, m.Redelivered())
	first := 0
	for ; first <= n && !bytes.Equal(m.Bytes(), payload(first)); first++ {
	}
	require.LessOrEqual(t, first, n, "nothing that was held is lost")
	m.Release()
	require.NoError(t, takeIn(ctx, rx, first+1, end-first-1))
	require.NoError(t, ch.Drain(ctx, nil))
	require.NoError(t, ch.Close())
}

func TestWhatIsHeldAfterAForcedCloseIsNotGivenBack(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, giving())
	tx, rx := pair(t, ch)
	end, err := fillRing(ctx, tx, 0)
	require.NoError(t, err)
	var held []channel.Message
	for range end / 2 {
		m, err := rx.Recv(ctx)
		require.NoError(t, err)
		held = append(held, m)
	}
	// As a closer leaves it that was killed in the middle of a Force.
	require.NoError(t, ch.Seal("a test"))
	m := state.New(ch.Control())
	_, err = m.Move(m.Load(), state.Change{To: state.Closing, Forced: true})
	require.NoError(t, err)
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrClosed)
	require.NoError(t, ch.Drain(ctx, nil))
	require.Zero(t, givenBack(t, ch), "head is at tail, but half of it is held")
	for i, m := range held {
		require.Equal(t, payload(i), m.Bytes())
		m.Release()
	}
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	require.NoError(t, ch.Close())
}

func TestNothingIsGivenBackForAHeadThatCannotBe(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, giving())
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	_, err = fillRing(ctx, tx, 0)
	require.NoError(t, err)
	good := ch.Control().Head.V.Load()
	ch.Control().Head.V.Store(good - 1<<40)
	require.ErrorIs(t, ch.Drain(ctx, nil), channel.ErrCorrupt)
	require.Zero(t, givenBack(t, ch))
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	require.NoError(t, err)
	require.NoError(t, ch.Close())
}

func TestASmallChannelIsNotWorthGivingBack(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 256, ArenaBytes: 32 << 10})
	require.NoError(t, ch.Drain(ctx, nil))
	require.Zero(t, givenBack(t, ch))
	require.NoError(t, ch.Close())
}
