//go:build linux

package channel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/state"
)

// giving are the options of a channel that gives memory back in several pieces: one MiB of
// slots and two of arena.
func giving() channel.Options {
	return channel.Options{
		Slots: 4096, SlotSize: 256, ArenaBytes: 2 << 20, MaxParticipants: 8, Checksums: true,
	}
}

// payload is message i: some fit a slot, most need the arena, and all differ.
func payload(i int) []byte {
	p := bytes.Repeat([]byte{byte(i), byte(i >> 8), byte(i * 7)}, 1+i*37%700)
	return p[:1+i*31%len(p)]
}

// fillRing sends messages from first on until there is no room, and returns the next number.
func fillRing(ctx context.Context, tx *channel.Sender, first int) (int, error) {
	for i := first; ; i++ {
		err := tx.TrySend(payload(i))
		if errors.Is(err, channel.ErrFull) {
			return i, nil
		}
		if err != nil {
			return i, err
		}
	}
}

// takeIn receives n messages from number first on and looks at each, twice: when it comes, and
// when many others came meanwhile. It holds up to 20 at a time.
func takeIn(ctx context.Context, rx *channel.Receiver, first, n int) error {
	var held []channel.Message
	release := func(left int) error {
		for len(held) > left {
			if i := first + n - len(held); !bytes.Equal(held[0].Bytes(), payload(i)) {
				return fmt.Errorf("message %d changed while it was held", i)
			}
			held[0].Release()
			held = held[1:]
		}
		return nil
	}
	last := first + n
	for n = 0; first+n < last; {
		m, err := rx.Recv(ctx)
		if err != nil {
			return err
		}
		if !bytes.Equal(m.Bytes(), payload(first+n)) {
			return fmt.Errorf("message %d came as another", first+n)
		}
		held = append(held, m)
		n++
		if err := release(20); err != nil {
			return err
		}
	}
	return release(0)
}

// givenBack is what a channel has given back, in bytes.
func givenBack(t testing.TB, ch *channel.Channel) uint64 {
	t.Helper()
	n, err := ch.GivenBack()
	require.NoError(t, err)
	return n
}

// awaitGivenBack waits until more than n bytes were given back.
func awaitGivenBack(t testing.TB, ch *channel.Channel, n uint64) uint64 {
	t.Helper()
	for {
		if now := givenBack(t, ch); now > n {
			return now
		}
		shmtest.Yield()
	}
}

// halfway fills a channel whose ring has wrapped, begins to drain it, and receives until
// memory was given back. It returns the drain's result to be and which message comes next and
// which never.
func halfway(
	ctx context.Context, t *testing.T, ch *channel.Channel, rx *channel.Receiver,
	progress func(channel.Progress),
) (done chan error, next, end int) {
	t.Helper()
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	end, err = fillRing(ctx, tx, 0)
	require.NoError(t, err)
	next = end * 2 / 3 // so that what is left wraps
	require.NoError(t, takeIn(ctx, rx, 0, next))
	end, err = fillRing(ctx, tx, end)
	require.NoError(t, err)
	require.Zero(t, givenBack(t, ch))
	done = make(chan error, 1)
	go func() { done <- ch.Drain(ctx, progress) }()
	awaitWaiting(t, ch, "drain")
	half := (end - next) / 2
	require.NoError(t, takeIn(ctx, rx, next, half))
	awaitGivenBack(t, ch, 0)
	return done, next + half, end
}

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
