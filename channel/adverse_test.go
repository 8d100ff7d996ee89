package channel_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() {
	children["adverse-progress-panics"] = childProgressPanics
	children["adverse-recv-and-wait"] = childRecvAndWait
}

// Offsets of control words in a segment's file.
const (
	offState = layout.ControlOff
	offTail  = layout.ControlOff + 1*layout.Line
	offHead  = layout.ControlOff + 2*layout.Line
)

func peek(t testing.TB, path string, off int64, n int) uint64 {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDONLY, 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	b := make([]byte, 8)
	_, err = f.ReadAt(b[:n], off)
	require.NoError(t, err)
	return binary.LittleEndian.Uint64(b)
}

func poke(t testing.TB, path string, off int64, w uint64, n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	b := binary.LittleEndian.AppendUint64(nil, w)
	_, err = f.WriteAt(b[:n], off)
	require.NoError(t, err)
}

func childProgressPanics(c *shmtest.Conn, args []string) error {
	ch, err := channel.Open(context.Background(), args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	func() {
		defer func() { _ = recover() }()
		_ = ch.Drain(ctx, func(channel.Progress) { panic("mine") })
	}()
	if err := ch.Close(); err != nil {
		return err
	}
	cancel()
	time.Sleep(200 * time.Millisecond)
	c.Say("survived")
	return nil
}

func TestPanicInProgressLeavesNothing(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	defer func() { _ = ch.Close() }()
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, nil))
	defer drain(t, rx)
	before := len(ch.Participants())
	child := shmtest.Start(t, "adverse-progress-panics", "q")
	line, _ := child.Hear()
	if line != "survived" {
		err := child.Wait()
		s := err.Error()
		t.Errorf("child died: %s", s[:min(len(s), 700)])
	}
	require.Len(t, ch.Participants(), before, "the drain's place")
}

func TestGoexitInProgressFreesThePlace(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, nil))
	before := len(ch.Participants())
	func() {
		defer func() { _ = recover() }()
		_ = ch.Drain(ctx, func(channel.Progress) { panic("mine") })
	}()
	n := len(ch.Participants())
	drain(t, rx)
	require.NoError(t, ch.Close())
	require.Equal(t, before, n)
}

// Panic in Discarded keeps the receiver's place.
func TestPanicInDiscardedFreesTheReceiversPlace(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	require.NoError(t, tx.Send(ctx, []byte("x")))
	func() {
		defer func() { _ = recover() }()
		_, _ = ch.Shutdown(ctx, channel.ShutdownOptions{
			AtDeadline: channel.Force, Discarded: func([]byte) { panic("mine") },
		})
	}()
	r, err := ch.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	t.Logf("%+v %v", r, err)
	rx, err := ch.TryReceiver()
	require.NoError(t, err)
	_ = rx.Close()
	require.NoError(t, ch.Close())
}

func TestDeadlineWithACauseIsATimeout(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.TryReceiver()
	require.NoError(t, err)
	why := errors.New("too slow")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, why)
	defer cancel()
	_, err = rx.Recv(ctx)
	var oe *channel.OpError
	require.ErrorAs(t, err, &oe)
	t.Log(err)
	require.NoError(t, ch.Close())
	require.True(t, oe.Timeout(), "%v", err)
}

func TestForceByADeadlineWithACauseCloses(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(t.Context(), nil))
	m, err := rx.Recv(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("mine"))
	defer cancel()
	r, err := ch.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	t.Logf("%+v %v", r, err)
	m.Release()
	_ = ch.Close()
	_ = os.Remove(ch.Path())
	require.NoError(t, err)
	require.Equal(t, state.Closed, r.State)
}

func TestRecoverOfDamageBeyondRepairIsErrCorrupt(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	good := peek(t, ch.Path(), offHead, 8)
	poke(t, ch.Path(), offHead, 1<<63|12345<<20, 8)
	err := mend(ctx, ch)
	poke(t, ch.Path(), offHead, good, 8)
	_ = ch.Close()
	_ = os.Remove(ch.Path())
	require.ErrorIs(t, err, channel.ErrCorrupt)
}

func TestRecoverOfAnImpossibleStateWordIsNoSuccess(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	good := peek(t, ch.Path(), offState, 4)
	poke(t, ch.Path(), offState, 0xf0000000, 4)
	err := mend(ctx, ch)
	poke(t, ch.Path(), offState, good, 4)
	require.NoError(t, ch.Close())
	require.Error(t, err)
}

func TestAForcedBitAloneDiscardsNothing(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("acked")))
	good := peek(t, ch.Path(), offState, 4)
	poke(t, ch.Path(), offState, good|1<<26, 4) // ACTIVE forced: no word of ours
	_, err := rx.TryRecv()
	t.Log(err)
	poke(t, ch.Path(), offState, good, 4)
	_ = rx.Close()
	rx, rerr := ch.TryReceiver()
	require.NoError(t, rerr)
	m, rerr := rx.TryRecv()
	t.Log(rerr)
	if rerr == nil {
		m.Release()
	}
	require.NoError(t, ch.Close())
	require.NoError(t, rerr, "an acknowledged message is gone")
}

func TestWaitForRoomSeesAnUnlinkedSegment(t *testing.T) {
	ctx := begin(t)
	channel.NoSlices()
	ch := newChannel(t, channel.Options{Slots: 2})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, nil))
	require.NoError(t, tx.Send(ctx, nil))
	wctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	res := make(chan error, 1)
	go func() { _, err := channel.Wait(wctx, tx); res <- err }()
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, os.Remove(ch.Path()))
	err := <-res
	serr := tx.Send(ctx, nil)
	drain2(rx)
	_ = ch.Close()
	require.ErrorIs(t, serr, channel.ErrOrphaned)
	require.NoError(t, err, "Send reports at once, Wait did not")
}

func drain2(rx *channel.Receiver) {
	for {
		m, err := rx.TryRecv()
		if err != nil {
			return
		}
		m.Release()
	}
}

func TestCloseEndsAWaitThatQueuesForATurn(t *testing.T) {
	ctx := begin(t)
	channel.NoSlices()
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	var wg sync.WaitGroup
	wg.Add(2)
	go func() { defer wg.Done(); _, _ = rx.Recv(ctx) }()
	time.Sleep(50 * time.Millisecond)
	go func() { defer wg.Done(); _, _ = channel.Wait(ctx, tx, rx) }()
	time.Sleep(50 * time.Millisecond)
	closed := make(chan error, 1)
	go func() { closed <- ch.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(2 * time.Second):
		t.Error("Close hangs")
		_ = rx.Close() // helps it out
		require.NoError(t, <-closed)
	}
	wg.Wait()
}

func TestNothingIsHeldAfterRecvAppend(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	got := make(chan error, 1)
	go func() { _, err := rx.RecvAppend(ctx, nil); got <- err }()
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, tx.Send(ctx, []byte("x")))
	require.NoError(t, <-got)
	held := ch.Participants()[0].Held
	require.NoError(t, ch.Close())
	require.Zero(t, held)
}

func TestWaitingForARoleSaysWhoHasIt(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	_, err := ch.Receiver(ctx)
	require.NoError(t, err)
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	_, err = ch.Receiver(short)
	require.NoError(t, ch.Close())
	require.ErrorContains(t, err, "pid")
}

func TestTryCallsBesideAMonitorAreNotBusy(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			select {
			case <-stop:
				return
			default:
				_ = ch.Stats()
			}
		}
	}()
	busy := 0
	end := time.Now().Add(time.Second)
	n := 0
	for time.Now().Before(end) {
		n++
		if err := tx.TrySend(nil); errors.Is(err, channel.ErrBusy) {
			busy++
		}
		m, err := rx.TryRecv()
		if errors.Is(err, channel.ErrBusy) {
			busy++
		}
		if err == nil {
			m.Release()
		}
	}
	close(stop)
	wg.Wait()
	drain(t, rx)
	_ = ctx
	require.NoError(t, ch.Close())
	require.Zero(t, busy, "of %d", n)
}

func childRecvAndWait(c *shmtest.Conn, args []string) error {
	ch, err := channel.Open(context.Background(), args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	if _, err := ch.TryReceiver(); err != nil {
		return err
	}
	c.Say("receiver")
	c.Hear()
	return nil
}

func TestRecoverKeepsTheDeathOfTheReceiver(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 2})
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	child := shmtest.Start(t, "adverse-recv-and-wait", "q")
	child.Expect("receiver")
	require.NoError(t, tx.Send(ctx, nil))
	require.NoError(t, tx.Send(ctx, nil))
	child.Kill()
	require.ErrorIs(t, tx.Send(ctx, nil), channel.ErrPeerDead)
	// Somebody brings it to ERROR, somebody recovers it.
	w := peek(t, ch.Path(), offState, 4)
	poke(t, ch.Path(), offTail, peek(t, ch.Path(), offTail, 8)|1<<63, 8)
	poke(t, ch.Path(), offState, uint64(state.NewWord(state.Error))|(w+1)&0xffff, 4)
	require.NoError(t, mend(ctx, ch))
	require.Equal(t, state.Active, ch.State())
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	err = tx.Send(short, nil)
	rx, rerr := ch.TryReceiver()
	require.NoError(t, rerr)
	drain2(rx)
	require.NoError(t, ch.Close())
	require.ErrorIs(t, err, channel.ErrPeerDead)
}

func TestShutdownPassesAbortedSlotsWithoutAReceiver(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	l, err := tx.Reserve(ctx, 8)
	require.NoError(t, err)
	l.Abort()
	r, err := ch.Shutdown(ctx, channel.ShutdownOptions{})
	t.Logf("%+v", r)
	_ = ch.Close()
	_ = os.Remove(ch.Path())
	require.NoError(t, err, "no message is left")
}

func TestDrainWithADeadContextSealsNothing(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := ch.Drain(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
	s := ch.State()
	require.NoError(t, ch.Close())
	require.Equal(t, state.Active, s)
}

func init() { children["adverse-wait-closed"] = childWaitClosed }

func childWaitClosed(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	tx, err := ch.TrySender()
	if err != nil {
		return err
	}
	rx, err := ch.TryReceiver()
	if err != nil {
		return err
	}
	if err := ch.Close(); err != nil {
		return err
	}
	if _, err := channel.Wait(ctx, rx); !errors.Is(err, channel.ErrClosed) {
		return fmt.Errorf("rx: %w", err)
	}
	if _, err := channel.Wait(ctx, tx); !errors.Is(err, channel.ErrClosed) {
		return fmt.Errorf("tx: %w", err)
	}
	c.Say("survived")
	return nil
}

func TestWaitOnHandlesOfAClosedChannel(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	child := shmtest.Start(t, "adverse-wait-closed", "q")
	line, _ := child.Hear()
	require.NoError(t, ch.Close())
	if line != "survived" {
		s := child.Wait().Error()
		t.Fatal(s[:min(900, len(s))])
	}
}

func TestForceAfterADeadlineWithACauseCloses(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	tx, err := ch.TrySender()
	require.NoError(t, err)
	require.NoError(t, tx.Send(t.Context(), nil))
	ctx, cancel := context.WithTimeoutCause(t.Context(), -1, errors.New("mine"))
	defer cancel()
	r, err := ch.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	t.Logf("%+v %v", r, err)
	_ = ch.Close()
	_ = os.Remove(ch.Path())
	require.NoError(t, err)
	require.Equal(t, state.Closed, r.State)
}

func TestEveryDeadlineWithACauseIsATimeoutAndHasTheCause(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.TryReceiver()
	require.NoError(t, err)
	why := errors.New("too slow")
	bad := 0
	for _, ms := range []time.Duration{-1, 1, 5, 20} {
		d := ms * time.Millisecond
		ctx, cancel := context.WithTimeoutCause(t.Context(), d, why)
		_, err = rx.Recv(ctx)
		cancel()
		var oe *channel.OpError
		require.ErrorAs(t, err, &oe)
		if !errors.Is(err, why) || !oe.Timeout() {
			t.Log(d, errors.Is(err, why), oe.Timeout(), err)
			bad++
		}
	}
	require.NoError(t, ch.Close())
	require.Zero(t, bad)
}

// TestReceiverThatClosedWithMessagesInHandHadLeft kills a process whose receiver was closed
// before: its last messages come again, but nobody is told of a death.
func TestReceiverThatClosedWithMessagesInHandHadLeft(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 4})
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	for range 4 {
		require.NoError(t, tx.Send(ctx, []byte("x")))
	}
	child := shmtest.Start(t, "close-and-hold")
	child.Expect("closed")
	child.Kill()
	require.ErrorIs(t, tx.TrySend(nil), channel.ErrFull)
	err = tx.Send(short(t), nil)
	require.ErrorIs(t, err, context.DeadlineExceeded, "not a dead peer: it had left")
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	require.True(t, m.Redelivered())
	m.Release()
	require.Equal(t, 3, drain(t, rx))
	require.NoError(t, ch.Close())
}

func init() {
	children["close-and-hold"] = func(c *shmtest.Conn, _ []string) error {
		ctx := context.Background()
		ch, err := channel.Open(ctx, "q", channel.OpenOptions{})
		if err != nil {
			return err
		}
		rx, err := ch.Receiver(ctx)
		if err != nil {
			return err
		}
		if _, err := rx.Recv(ctx); err != nil {
			return err
		}
		if err := rx.Close(); err != nil {
			return err
		}
		c.Say("closed")
		c.Hear()
		return errors.New("told to go on")
	}
}
