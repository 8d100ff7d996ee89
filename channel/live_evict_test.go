//go:build linux

package channel_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/shm"
	"shmring/state"
)

func init() {
	children["live-hold-messages"] = childHoldMessages
	children["live-control"] = childHoldControl
}

// childHoldMessages receives two messages and keeps them until it is told to go on. Then
// it receives what else there is.
func childHoldMessages(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	held := make([]channel.Message, 2)
	for i := range held {
		if held[i], err = rx.Recv(ctx); err != nil {
			return err
		}
	}
	if _, err := rx.TryRecv(); !errors.Is(err, channel.ErrEmpty) {
		return err
	}
	c.Say("holding")
	c.Hear()
	for _, m := range held {
		m.Release()
	}
	for m, err := range rx.Messages(ctx) {
		if err != nil {
			return err
		}
		m.Release()
	}
	return ch.Close()
}

// childHoldControl keeps the control lock until it is told to go on.
func childHoldControl(c *shmtest.Conn, args []string) error {
	s, err := shm.Open(context.Background(), shm.OpenOptions{Name: args[0]})
	if err != nil {
		return err
	}
	release, err := s.Control(context.Background(), "sit on it")
	if err != nil {
		return err
	}
	c.Say("locked")
	c.Hear()
	release()
	c.Say("released")
	c.Hear()
	return s.Close()
}

// stop stops a child and waits until it is.
func stop(t testing.TB, ch *channel.Channel, c *shmtest.Child) {
	t.Helper()
	c.Signal(syscall.SIGSTOP)
	for {
		for _, p := range ch.Participants() {
			if int(p.PID) == c.PID() && p.Stopped {
				return
			}
		}
		shmtest.Yield()
	}
}

func TestEvictOfAStoppedSenderLetsTheReceiverGoOn(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	child := shmtest.Start(t, "reserve-and-wait", "q", "100")
	child.Expect("reserved")
	require.NoError(t, tx.Send(ctx, []byte("behind it")))
	stop(t, ch, child)
	got := make(chan string, 1)
	go func() {
		b, err := rx.RecvAppend(ctx, nil)
		assert.NoError(t, err)
		got <- string(b)
	}()
	awaitWaiting(t, ch, "hole")
	other, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	r, err := other.Evict(ctx, child.PID())
	require.NoError(t, err)
	require.Equal(t, child.PID(), r.Killed)
	require.Len(t, r.Settled, 1)
	require.EqualValues(t, child.PID(), r.Settled[0].PID)
	require.Equal(t, "behind it", <-got)
	require.ErrorContains(t, child.Wait(), "signal: killed")
	require.EqualValues(t, 1, ch.Stats().Holes)
	require.NoError(t, other.Close())
	require.NoError(t, ch.Close())
}

func TestEvictOfAStoppedReceiverLetsASuccessorHaveItsMessages(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	child := shmtest.Start(t, "live-hold-messages", "q")
	require.NoError(t, tx.Send(ctx, []byte("a")))
	require.NoError(t, tx.Send(ctx, []byte("b")))
	child.Expect("holding")
	stop(t, ch, child)
	_, err = ch.TryReceiver()
	require.ErrorIs(t, err, channel.ErrBusy)
	require.ErrorContains(t, err, ", stopped")
	r, err := ch.Evict(ctx, child.PID())
	require.NoError(t, err)
	require.EqualValues(t, 2, r.Kept)
	rx, err := ch.TryReceiver()
	require.NoError(t, err)
	for _, want := range []string{"a", "b"} {
		m, err := rx.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, want, string(m.Bytes()))
		require.True(t, m.Redelivered())
		m.Release()
	}
	require.NoError(t, ch.Close())
}

func TestEvictOfAStoppedHolderOfTheControlLockFreesIt(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	child := shmtest.Start(t, "live-control", "q")
	child.Expect("locked")
	child.Signal(syscall.SIGSTOP)
	r, err := ch.Evict(ctx, child.PID())
	require.NoError(t, err)
	require.Equal(t, state.Active, r.State)
	require.ErrorContains(t, child.Wait(), "signal: killed")
	require.NoError(t, ch.Seal("can be had"))
	require.NoError(t, ch.Close())
	_ = channel.Remove(ctx, "q", channel.RemoveOptions{})
}

func TestEvictOfADrainThatIsStoppedLeavesTheChannelSealed(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("x")))
	child := shmtest.Start(t, "live-drain", "q")
	awaitWaiting(t, ch, "drain")
	stop(t, ch, child)
	r, err := ch.Evict(ctx, child.PID())
	require.NoError(t, err)
	require.Equal(t, state.Draining, r.State)
	require.Equal(t, 1, drainAll(rx))
	require.NoError(t, ch.Close())
}

func init() { children["live-drain"] = childDrain }

func childDrain(_ *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	return ch.Drain(ctx, nil)
}

// TestEvictKillsNobodyElse: the number in a row is only what a process once wrote there.
func TestEvictKillsNobodyElse(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	_, rx := pair(t, ch)
	bystander, err := channel.Create(ctx, "other", channel.Options{})
	require.NoError(t, err)
	innocent := shmtest.Start(t, "reserve-and-wait", "other", "100")
	innocent.Expect("reserved")
	child := shmtest.Start(t, "reserve-and-wait", "q", "100")
	child.Expect("reserved")
	for _, p := range ch.Participants() {
		if int(p.PID) == child.PID() { // as if its number were another's by now
			who := &ch.View().Participants[p.Place].Who
			who.PID.Store(uint32(innocent.PID()))
			who.Start.Store(1) // both may have begun in one clock tick
		}
	}
	r, err := ch.Evict(ctx, innocent.PID())
	require.ErrorIs(t, err, channel.ErrNoHolder)
	require.ErrorContains(t, err, "was another process, which has ended")
	require.Zero(t, r.Killed)
	_, err = ch.Evict(ctx, os.Getpid())
	require.ErrorIs(t, err, fs.ErrInvalid)
	require.True(t, innocent.Running())
	require.True(t, child.Running())

	// And that row names nobody who could be waited for in vain.
	until := short(t)
	_, err = rx.Recv(until)
	require.ErrorContains(t, err, "which has ended")
	child.Kill()
	_, err = ch.Evict(ctx, child.PID())
	require.ErrorIs(t, err, channel.ErrNoHolder)
	require.NoError(t, ch.Close())
	innocent.Kill()
	require.NoError(t, bystander.Close())
	_ = channel.Remove(ctx, "other", channel.RemoveOptions{Unread: true})
	_ = channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true})
}

func TestEvictNeedsAnAttachmentThatMayWriteAndAContextThatLasts(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	child := shmtest.Start(t, "reserve-and-wait", "q", "100")
	child.Expect("reserved")
	seen, err := channel.Open(ctx, "q", channel.OpenOptions{ReadOnly: true})
	require.NoError(t, err)
	_, err = seen.Evict(ctx, child.PID())
	require.ErrorIs(t, err, channel.ErrState)
	require.NoError(t, seen.Close())
	over, cancel := context.WithCancel(ctx)
	cancel()
	_, err = ch.Evict(over, child.PID())
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, child.Running())
	child.Kill()
	require.NoError(t, ch.Close())
	_, err = ch.Evict(ctx, child.PID())
	require.ErrorIs(t, err, channel.ErrClosed)
	_ = channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true})
}
