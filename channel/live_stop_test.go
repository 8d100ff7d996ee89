//go:build linux

package channel_test

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() {
	children["live-fill"] = childFill
	children["live-recv-all"] = childRecvAll
}

// childFill reserves a message, and commits it and sends another when it is told to.
func childFill(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, tx, err := childSender(args[0])
	if err != nil {
		return err
	}
	lease, err := tx.Reserve(ctx, len(message(1, 0)))
	if err != nil {
		return err
	}
	c.Say("reserved")
	c.Hear()
	if err := lease.Commit(copy(lease.Bytes(), message(1, 0))); err != nil {
		return err
	}
	if err := tx.Send(ctx, message(1, 1)); err != nil {
		return err
	}
	return ch.Close()
}

func childRecvAll(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	n := 0
	for m, err := range rx.Messages(ctx) {
		if err != nil {
			return err
		}
		m.Release()
		n++
	}
	c.Say("%d", n)
	return ch.Close()
}

// whoIs is how texts name a stopped child.
func whoIs(c *shmtest.Child) string { return fmt.Sprintf("pid %d (", c.PID()) }

func requireStopped(t *testing.T, err error, c *shmtest.Child, more ...string) {
	t.Helper()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, whoIs(c))
	for _, text := range append(more, "stopped") {
		require.ErrorContains(t, err, text)
	}
}

// TestStoppedSenderInTheMiddleOfAMessageIsWaitedForAndNamed: it is not robbed, however
// often the receiver looks, and its message comes in its place.
func TestStoppedSenderInTheMiddleOfAMessageIsWaitedForAndNamed(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, message(2, 0)))
	child := shmtest.Start(t, "live-fill", "q")
	child.Expect("reserved")
	require.NoError(t, tx.Send(ctx, message(2, 1)))
	stop(t, ch, child)
	next := func() (uint64, uint64) {
		b, err := rx.RecvAppend(ctx, nil)
		require.NoError(t, err)
		who, i, err := verify(b)
		require.NoError(t, err)
		return who, i
	}
	who, i := next()
	require.Equal(t, [2]uint64{2, 0}, [2]uint64{who, i})
	for range 3 {
		_, err := rx.Recv(short(t))
		requireStopped(t, err, child, "reserved and not committed", "last progress", " ago")
	}
	_, err := rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrEmpty)
	require.Zero(t, ch.Stats().Holes)
	r, err := ch.Recover(ctx)
	require.NoError(t, err)
	require.Zero(t, r.Holes, "nor does a repair take it for a dead one's")

	child.Signal(syscall.SIGCONT)
	child.Say("commit")
	for _, want := range [][2]uint64{{1, 0}, {2, 1}, {1, 1}} {
		who, i := next()
		require.Equal(t, want, [2]uint64{who, i})
	}
	require.NoError(t, child.Wait())
	require.NoError(t, ch.Close())
}

func TestStoppedReceiverThatHoldsMessagesIsNamedByDrainAndShutdown(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	child := shmtest.Start(t, "live-hold-messages", "q")
	require.NoError(t, tx.Send(ctx, []byte("a")))
	require.NoError(t, tx.Send(ctx, []byte("b")))
	child.Expect("holding")
	stop(t, ch, child)
	require.NoError(t, tx.Send(ctx, []byte("c")))
	err = ch.Drain(short(t), nil)
	requireStopped(t, err, child, "3 slots not drained", "last progress")
	r, err := ch.Shutdown(short(t), channel.ShutdownOptions{})
	requireStopped(t, err, child)
	require.Contains(t, r.Waited, whoIs(child))
	require.Contains(t, r.Waited, "stopped")
	require.EqualValues(t, 3, r.Left)
	child.Signal(syscall.SIGCONT)
	child.Say("go on")
	r, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	require.Equal(t, state.Closed, r.State)
	require.NoError(t, child.Wait())
	require.NoError(t, ch.Close())
}

func TestStoppedReceiverThatSleepsIsNamedByAFullSenderAndWakesOnCont(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 4})
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	child := shmtest.Start(t, "live-recv-all", "q")
	awaitWaiting(t, ch, "data")
	stop(t, ch, child)
	sent := 0
	for ; err == nil; sent++ {
		err = tx.TrySend(nil)
	}
	sent--
	require.ErrorIs(t, err, channel.ErrFull)
	err = tx.Send(short(t), nil)
	requireStopped(t, err, child, "4 of 4 slots in use", "receiver pid")
	child.Signal(syscall.SIGCONT)
	require.NoError(t, tx.Send(ctx, nil))
	require.NoError(t, ch.Seal("enough"))
	child.Expect(strconv.Itoa(sent + 1))
	require.NoError(t, child.Wait())
	require.NoError(t, ch.Close())
}

func TestStoppedHolderOfTheControlLockIsNamedAndTrafficGoesOn(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	child := shmtest.Start(t, "live-control", "q")
	child.Expect("locked")
	child.Signal(syscall.SIGSTOP)
	for child.Running() && !child.Stopped() {
		shmtest.Yield()
	}
	err := ch.Drain(short(t), nil)
	requireStopped(t, err, child, "the control lock is busy", "to sit on it since")
	require.ErrorIs(t, err, channel.ErrBusy)
	_, err = ch.Recover(short(t))
	requireStopped(t, err, child)
	require.NoError(t, tx.Send(ctx, []byte("x")))
	require.Equal(t, 1, drainAll(rx))
	child.Signal(syscall.SIGCONT)
	child.Say("go on")
	child.Expect("released")
	require.NoError(t, ch.Seal("now"))
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, io.EOF)
	child.Say("end")
	require.NoError(t, child.Wait())
	require.NoError(t, ch.Close())
}
