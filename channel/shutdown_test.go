package channel_test

import (
	"context"
	"io"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

// short returns a context that ends soon.
func short(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestSealStopsSendersAndKeepsWhatWasSent(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("before")))
	l, err := tx.Reserve(ctx, 8)
	require.NoError(t, err)
	require.NoError(t, ch.Seal("enough"))
	require.NoError(t, ch.Seal("again"), "sealing a sealed channel changes nothing")
	require.Equal(t, state.Draining, ch.State())
	require.Equal(t, "enough", ch.Reason())
	require.NoError(t, l.Commit(copy(l.Bytes(), "reserved")), "reserved before the seal")
	err = tx.Send(ctx, []byte("after"))
	require.ErrorIs(t, err, channel.ErrDraining)
	require.ErrorIs(t, err, channel.ErrClosed)
	require.ErrorIs(t, tx.TrySend(nil), channel.ErrDraining)
	_, err = tx.Reserve(ctx, 1)
	require.ErrorIs(t, err, channel.ErrDraining)
	for _, want := range []string{"before", "reserved"} {
		m, err := rx.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, want, string(m.Bytes()))
		m.Release()
	}
	_, err = rx.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.Equal(t, state.Closing, ch.State(), "an end that was told is final")
	require.Equal(t, "enough", ch.Reason())
	require.NoError(t, ch.Close())
}

func TestSealWakesASenderThatWaitsForRoom(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 2})
	tx, rx := pair(t, ch)
	sent := make(chan error, 1)
	go func() {
		err := tx.Send(ctx, nil)
		for err == nil {
			err = tx.Send(ctx, nil)
		}
		sent <- err
	}()
	awaitWaiting(t, ch, "space")
	require.NoError(t, ch.Seal("no more"))
	require.ErrorIs(t, <-sent, channel.ErrDraining)
	require.Equal(t, 2, drain(t, rx))
	require.NoError(t, ch.Close())
}

// awaitWaiting returns once a participant of ch says that it waits for something.
func awaitWaiting(t testing.TB, ch *channel.Channel, what string) {
	t.Helper()
	for {
		for _, p := range ch.Participants() {
			if p.Waiting == what {
				return
			}
		}
		if t.Context().Err() != nil {
			t.Fatal("nobody waits for " + what)
		}
	}
}

func TestDrainWaitsForTheReceiverAndTellsProgress(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 64})
	tx, rx := pair(t, ch)
	for range 50 {
		require.NoError(t, tx.Send(ctx, nil))
	}
	var steps []channel.Progress
	done := make(chan error, 1)
	go func() {
		done <- ch.Drain(ctx, func(p channel.Progress) { steps = append(steps, p) })
	}()
	awaitWaiting(t, ch, "drain")
	for range 50 {
		m, err := rx.Recv(ctx)
		require.NoError(t, err)
		m.Release()
	}
	require.NoError(t, <-done)
	require.EqualValues(t, 50, steps[0].Left)
	last := steps[len(steps)-1]
	require.Zero(t, last.Left)
	require.EqualValues(t, 50, last.Done)
	require.True(t, last.Living)
	for i := 1; i < len(steps); i++ {
		require.Less(t, steps[i].Left, steps[i-1].Left)
	}
	require.NoError(t, ch.Close())
}

func TestDrainWithoutReceiverSaysSoAtOnceAndLosesNothing(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	require.NoError(t, tx.Send(ctx, []byte("kept")))
	err = ch.Drain(ctx, nil)
	require.ErrorIs(t, err, channel.ErrPeerDead)
	require.ErrorContains(t, err, "1 slots are left")
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "kept", string(m.Bytes()))
	m.Release()
	require.NoError(t, ch.Drain(ctx, nil), "it may be called again")
	require.NoError(t, ch.Close())
}

func TestDrainAtItsDeadlineSaysWhoHoldsTheMessages(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("held")))
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	defer rx.Busy("thinking", time.Minute)()
	err = ch.Drain(short(t), nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "1 slots not drained")
	require.ErrorContains(t, err, `busy "thinking"`)
	m.Release()
	require.NoError(t, ch.Close())
}

func TestShutdownReportsAndUnlinks(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	for range 10 {
		require.NoError(t, tx.Send(ctx, []byte("x")))
	}
	got := make(chan int, 1)
	go func() {
		n := 0
		for _, err := range rx.Messages(ctx) {
			if err != nil {
				n = -1
				break
			}
			n++
		}
		got <- n
	}()
	r, err := ch.Shutdown(ctx, channel.ShutdownOptions{Reason: "over"})
	require.NoError(t, err)
	require.Equal(t, 10, <-got)
	require.Equal(t, state.Closed, r.State)
	require.LessOrEqual(t, r.Delivered, uint64(10))
	require.Zero(t, r.Left+r.Discarded+r.NotDelivered)
	_, err = os.Stat(ch.Path())
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = channel.Open(ctx, "q", channel.OpenOptions{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	r, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err, "a second shutdown finds it done")
	require.Equal(t, state.Closed, r.State)
	require.NoError(t, ch.Close())
}

func TestShutdownAtDeadlineLeavesTheChannelSealed(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("stays")))
	r, err := ch.Shutdown(short(t), channel.ShutdownOptions{Reason: "late"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, state.Draining, r.State)
	require.EqualValues(t, 1, r.Left)
	require.Equal(t, 1, drain(t, rx))
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	require.NoError(t, ch.Close())
}

func TestShutdownAtDeadlineRollsBackAndLosesNothing(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("one")))
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	r, err := ch.Shutdown(short(t), channel.ShutdownOptions{AtDeadline: channel.Rollback})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, state.Active, r.State)
	m.Release()
	require.NoError(t, tx.Send(ctx, []byte("two")))
	m, err = rx.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "two", string(m.Bytes()))
	m.Release()
	var moves []state.State
	for _, tr := range ch.History() {
		moves = append(moves, tr.Word.State())
	}
	require.Equal(t,
		[]state.State{state.Draining, state.Error, state.Recovering, state.Active}, moves)
	require.NoError(t, ch.Close())
}

func TestRollbackIsRefusedOnceTheEndWasTold(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("held")))
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	require.NoError(t, ch.Seal("end"))
	_, err = rx.Recv(ctx)
	require.Equal(t, io.EOF, err)
	r, err := ch.Shutdown(short(t), channel.ShutdownOptions{AtDeadline: channel.Rollback})
	require.ErrorIs(t, err, channel.ErrState)
	require.Equal(t, state.Closing, r.State)
	m.Release()
	require.NoError(t, ch.Close())
}

func TestForceWithALivingReceiverTellsItHowManyWereDiscarded(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	for range 5 {
		require.NoError(t, tx.Send(ctx, []byte("x")))
	}
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		for ch.State() == state.Active || ch.State() == state.Draining {
			shmtest.Yield()
		}
		_, err := rx.Recv(ctx)
		ended <- err
	}()
	r, err := ch.Shutdown(short(t), channel.ShutdownOptions{
		Reason: "out of time", AtDeadline: channel.Force,
		Discarded: func([]byte) { panic("a living receiver counts them itself") },
	})
	require.NoError(t, err)
	require.Equal(t, state.Closed, r.State)
	if r.Discarded == 0 { // on a loaded machine the answer comes too late
		require.EqualValues(t, 5, r.NotDelivered)
	} else {
		require.EqualValues(t, 4, r.Discarded)
	}
	var discarded *channel.DiscardedError
	require.ErrorAs(t, <-ended, &discarded)
	require.EqualValues(t, 4, discarded.N)
	require.Contains(t, discarded.Reason, "out of time")
	require.Equal(t, "x", string(m.Bytes()), "what is held stays valid")
	m.Release()
	require.EqualValues(t, 4, ch.Stats().Discarded)
	require.NoError(t, ch.Close())
}

func TestForceWithoutReceiverHandsTheRestToTheCaller(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	for _, s := range []string{"a", "b"} {
		require.NoError(t, tx.Send(ctx, []byte(s)))
	}
	var rest []string
	r, err := ch.Shutdown(short(t), channel.ShutdownOptions{
		AtDeadline: channel.Force,
		Discarded:  func(b []byte) { rest = append(rest, string(b)) },
	})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, rest)
	require.EqualValues(t, 2, r.Discarded)
	require.Equal(t, state.Closed, r.State)
	require.NoError(t, ch.Close())
}

func TestForceWithAReceiverThatDoesNotAnswerSaysUpToHowMany(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	for range 3 {
		require.NoError(t, tx.Send(ctx, []byte("x")))
	}
	r, err := ch.Shutdown(short(t), channel.ShutdownOptions{
		Reason: "stop", AtDeadline: channel.Force,
	})
	require.NoError(t, err)
	require.Equal(t, state.Closed, r.State)
	require.EqualValues(t, 3, r.NotDelivered)
	require.Contains(t, ch.Reason(), "up to 3 not delivered")
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrClosed)
	require.NoError(t, ch.Close())
}

func TestShutdownOfAChannelInErrorEndsIt(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("x")))
	ch.Control().Head.V.Store(1 << 63)
	ch.Control().Poison.Code.Store(uint32(layout.PoisonHead))
	err := tx.Send(ctx, []byte("y"))
	for err == nil {
		err = tx.Send(ctx, []byte("y"))
	}
	require.ErrorIs(t, err, channel.ErrCorrupt)
	require.Equal(t, state.Error, ch.State())
	ch.Control().Head.V.Store(0)
	require.Equal(t, 256, drainAll(rx), "what was accepted is delivered in ERROR too")
	r, err := ch.Shutdown(short(t), channel.ShutdownOptions{AtDeadline: channel.Force})
	require.NoError(t, err)
	require.Equal(t, state.Closed, r.State)
	require.NoError(t, ch.Close())
}

// drainAll receives whatever there is, until any error.
func drainAll(rx *channel.Receiver) int {
	for n := 0; ; n++ {
		m, err := rx.TryRecv()
		if err != nil {
			return n
		}
		m.Release()
	}
}

func TestShutdownByTheReceiverOfTheSameAttachment(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 256})
	tx, rx := pair(t, ch)
	for range 20 { // fewer than are published at once
		require.NoError(t, tx.Send(ctx, nil))
	}
	for range 20 {
		m, err := rx.Recv(ctx)
		require.NoError(t, err)
		m.Release()
	}
	_, err := ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err, "its own unpublished releases are no reason to wait")
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, ch.Close())
}
