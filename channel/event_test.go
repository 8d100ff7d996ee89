package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/internal/shmtest"
)

// newEvent creates an event that the test closes.
func newEvent(t testing.TB, o channel.EventOptions) *channel.Event {
	t.Helper()
	e, err := channel.CreateEvent(t.Context(), "e", o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Close() }) // most tests close it themselves
	return e
}

// openEvent opens one more handle of it.
func openEvent(t testing.TB) *channel.Event {
	t.Helper()
	e, err := channel.OpenEvent(t.Context(), "e", channel.OpenOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// awaitSleepers returns once so many places of the event have their waiting bit set.
func awaitSleepers(t testing.TB, e *channel.Event, want int) {
	t.Helper()
	for {
		n := 0
		for _, p := range e.Participants() {
			if p.Waiting == "data" {
				n++
			}
		}
		if n == want {
			return
		}
		shmtest.Yield()
	}
}

func TestSignalIsSeenByLoadAndWait(t *testing.T) {
	ctx := begin(t)
	a := newEvent(t, channel.EventOptions{})
	b := openEvent(t)
	seq, value, err := b.Load()
	require.NoError(t, err)
	require.Zero(t, seq)
	require.Empty(t, value)

	seq, err = a.Signal([]byte("one"))
	require.NoError(t, err)
	require.EqualValues(t, 1, seq)
	seq, value, err = b.Wait(ctx, 0)
	require.NoError(t, err)
	require.EqualValues(t, 1, seq)
	require.Equal(t, "one", string(value))

	_, err = b.Signal([]byte("two"))
	require.NoError(t, err)
	seq, err = a.Signal(nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, seq)
	seq, value, err = b.Wait(ctx, 1)
	require.NoError(t, err)
	require.EqualValues(t, 3, seq, "the last of several signals is seen")
	require.Empty(t, value)

	value = []byte("mine")
	_, err = a.Signal(value)
	require.NoError(t, err)
	copy(value, "gone")
	_, value, err = b.Load()
	require.NoError(t, err)
	require.Equal(t, "mine", string(value), "a signal copies")
	require.NoError(t, a.Close())
	_, value, err = b.Load()
	require.NoError(t, err)
	require.Equal(t, "mine", string(value), "the value outlives its signaller's handle")
	require.NoError(t, b.Close())
	require.Equal(t, "mine", string(value), "the value is the caller's")
}

func TestWaiterSleepsAndIsWoken(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	a := newEvent(t, channel.EventOptions{})
	b := openEvent(t)
	type result struct {
		seq   uint64
		value string
		err   error
	}
	got := make(chan result, 10)
	const waiters = 5 // of one handle: they share its bit
	since := uint64(0)
	for round := range 3 {
		for range waiters {
			go func() {
				seq, value, err := b.Wait(ctx, since)
				got <- result{seq, string(value), err}
			}()
		}
		awaitSleepers(t, a, 1)
		seq, err := a.Signal(fmt.Append(nil, round))
		require.NoError(t, err)
		for range waiters {
			require.Equal(t, result{seq, fmt.Sprint(round), nil}, <-got)
		}
		since = seq
	}
	awaitSleepers(t, a, 0)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

func TestSignalMakesNoSystemCallWhileNobodySleeps(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	a := newEvent(t, channel.EventOptions{})
	b := openEvent(t)
	wakes := func() uint64 { return a.Participants()[0].Wakes }
	for i := range uint64(100) {
		_, err := a.Signal([]byte("x"))
		require.NoError(t, err)
		_, _, err = b.Wait(ctx, i)
		require.NoError(t, err)
	}
	require.Zero(t, wakes())
	done := make(chan error, 1)
	go func() {
		_, _, err := b.Wait(ctx, 100)
		done <- err
	}()
	awaitSleepers(t, a, 1)
	_, err := a.Signal(nil)
	require.NoError(t, err)
	require.NoError(t, <-done)
	require.EqualValues(t, 1, wakes())
	_, err = a.Signal(nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, wakes(), "whoever woke took its bit along")
	if !race.Enabled {
		value := make([]byte, channel.MaxEventValue)
		require.Zero(t, testing.AllocsPerRun(100, func() { _, err = a.Signal(value) }))
		require.NoError(t, err)
	}
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

func TestWaitForAnEventEndsWithItsContextAndItsHandle(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	a := newEvent(t, channel.EventOptions{})
	_, _, err := a.Wait(short(t), 0)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "nobody else has the event open")
	b := openEvent(t)
	_, err = b.Signal(nil)
	require.NoError(t, err)
	_, _, err = a.Wait(short(t), 1)
	require.ErrorContains(t, err, fmt.Sprintf("pid %d", os.Getpid()), "it says who could signal")
	require.ErrorContains(t, err, "last of 1 signals")
	var timeout interface{ Timeout() bool }
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())

	cause := errors.New("no longer wanted")
	cctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan error, 2)
	wait := func(ctx context.Context) {
		_, _, err := a.Wait(ctx, 1)
		ended <- err
	}
	go wait(cctx)
	awaitSleepers(t, b, 1)
	cancel(cause)
	require.ErrorIs(t, <-ended, cause)
	_, _, err = a.Wait(cctx, 0)
	require.ErrorIs(t, err, cause, "the context comes before what is there")

	go wait(ctx)
	go wait(ctx)
	awaitSleepers(t, b, 1)
	require.NoError(t, a.Close())
	require.ErrorIs(t, <-ended, channel.ErrClosed)
	require.ErrorIs(t, <-ended, channel.ErrClosed)
	_, err = a.Signal(nil)
	require.ErrorIs(t, err, channel.ErrClosed)
	_, _, err = a.Load()
	require.ErrorIs(t, err, channel.ErrClosed)
	_, err = channel.Wait(ctx, a.After(0))
	require.ErrorIs(t, err, channel.ErrClosed)
	require.ErrorIs(t, a.Close(), os.ErrClosed)
	require.NoError(t, b.Close())
}

func TestWaitTakesEventsBesideReceivers(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	e := newEvent(t, channel.EventOptions{})
	other := openEvent(t)
	ch := newChannel(t, channel.Options{Slots: 4})
	tx, rx := pair(t, ch)
	i, err := channel.Wait(ctx, rx, e.After(^uint64(0)))
	require.NoError(t, err)
	require.Equal(t, 1, i, "ready at once")

	ready := make(chan int)
	wait := func(ws ...channel.Waitable) {
		go func() {
			i, err := channel.Wait(ctx, ws...)
			if err != nil {
				i = -1
			}
			ready <- i
		}()
	}
	wait(rx, e.After(0), e.After(10))
	awaitWaitHandle(t, rx)
	_, err = other.Signal([]byte("go"))
	require.NoError(t, err)
	require.Equal(t, 1, <-ready)
	wait(rx, e.After(1))
	awaitWaitHandle(t, rx)
	require.NoError(t, tx.Send(ctx, nil))
	require.Equal(t, 0, <-ready)
	require.Equal(t, 1, drain(t, rx))

	wait(e.After(1), rx)
	awaitWaitHandle(t, rx)
	require.NoError(t, e.Close(), "a close waits for the calls that use it")
	require.Equal(t, 0, <-ready, "a close is reported by the handle it closed")
	require.NoError(t, other.Close())
	require.NoError(t, ch.Close())
}

func TestImpossibleEventsAreRefused(t *testing.T) {
	ctx := begin(t)
	e := newEvent(t, channel.EventOptions{MaxParticipants: 4})
	_, err := e.Signal(make([]byte, channel.MaxEventValue+1))
	require.ErrorIs(t, err, channel.ErrTooBig)
	_, err = channel.CreateEvent(ctx, "e", channel.EventOptions{})
	require.ErrorIs(t, err, fs.ErrExist)
	_, err = channel.OpenEvent(ctx, "no", channel.OpenOptions{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	for _, o := range []channel.EventOptions{
		{MaxParticipants: 3}, {MaxParticipants: -1}, {MaxParticipants: 257}, {Mode: fs.ModeSetuid},
	} {
		_, err = channel.CreateEvent(ctx, "x", o)
		require.ErrorIs(t, err, channel.ErrLayout)
	}
	readOnly := channel.EventOptions{OpenOptions: channel.OpenOptions{ReadOnly: true}}
	_, err = channel.CreateEvent(ctx, "x", readOnly)
	require.ErrorIs(t, err, fs.ErrInvalid)
	_, err = channel.OpenOrCreateEvent(ctx, "x", readOnly)
	require.ErrorIs(t, err, fs.ErrInvalid)
	_, err = channel.CreateEvent(ctx, "a/b", channel.EventOptions{})
	require.ErrorIs(t, err, fs.ErrInvalid)

	_, err = channel.Open(ctx, "e", channel.OpenOptions{})
	require.ErrorIs(t, err, channel.ErrLayout)
	require.ErrorContains(t, err, "an event, not a channel")
	ch := newChannel(t, channel.Options{})
	_, err = channel.OpenEvent(ctx, "q", channel.OpenOptions{})
	require.ErrorContains(t, err, "a channel, not an event")
	_, err = channel.OpenOrCreateEvent(ctx, "q", channel.EventOptions{})
	require.ErrorIs(t, err, channel.ErrLayout)
	_, err = channel.OpenOrCreate(ctx, "e", channel.Options{})
	require.ErrorIs(t, err, channel.ErrLayout)
	require.NoError(t, ch.Close())

	var more []*channel.Event
	for range 3 {
		more = append(more, openEvent(t))
	}
	_, err = channel.OpenEvent(ctx, "e", channel.OpenOptions{})
	require.ErrorIs(t, err, channel.ErrBusy, "all places are taken")
	require.NoError(t, more[1].Close())
	more[1] = openEvent(t)
	require.Len(t, e.Participants(), 4)
	require.Equal(t, layout.RoleMember, e.Participants()[3].Role)
	for _, m := range append(more, e) {
		require.NoError(t, m.Close())
	}
}

func TestReadOnlyEventCanOnlyBeLoaded(t *testing.T) {
	ctx := begin(t)
	e := newEvent(t, channel.EventOptions{Mode: 0o640})
	info, err := os.Stat(e.Path())
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode())
	_, err = e.Signal([]byte("look"))
	require.NoError(t, err)
	ro, err := channel.OpenEvent(ctx, "e", channel.OpenOptions{ReadOnly: true})
	require.NoError(t, err)
	seq, value, err := ro.Load()
	require.NoError(t, err)
	require.EqualValues(t, 1, seq)
	require.Equal(t, "look", string(value))
	_, err = ro.Signal(nil)
	require.ErrorIs(t, err, channel.ErrState)
	_, _, err = ro.Wait(ctx, 0)
	require.ErrorIs(t, err, channel.ErrState)
	_, err = channel.Wait(ctx, ro.After(0))
	require.ErrorIs(t, err, channel.ErrState)
	require.NoError(t, ro.Close())
	require.NoError(t, e.Close())
}

func TestLifetimeOfAnEvent(t *testing.T) {
	ctx := begin(t)
	e := newEvent(t, channel.EventOptions{})
	path := e.Path()
	second := openEvent(t)
	require.Equal(t, e.Instance(), second.Instance())
	require.ErrorIs(t, channel.Remove(ctx, "e", channel.RemoveOptions{}), channel.ErrBusy)
	require.NoError(t, e.Close())
	require.FileExists(t, path, "somebody still has it")
	require.NoError(t, second.Close())
	require.NoFileExists(t, path)

	e = newEvent(t, channel.EventOptions{Lifetime: channel.Persistent})
	_, err := e.Signal([]byte("kept"))
	require.NoError(t, err)
	require.NoError(t, e.Close())
	e = openEvent(t)
	seq, value, err := e.Load()
	require.NoError(t, err)
	require.EqualValues(t, 1, seq)
	require.Equal(t, "kept", string(value))
	require.NoError(t, e.Close())
	require.NoError(t, channel.Remove(ctx, "e", channel.RemoveOptions{}))
}

func TestOpenEventWaitsForTheName(t *testing.T) {
	ctx := begin(t)
	opened := make(chan error, 1)
	go func() {
		e, err := channel.OpenEvent(ctx, "e", channel.OpenOptions{Wait: true})
		if err == nil {
			_, _, err = e.Wait(ctx, 0)
			err = errors.Join(err, e.Close())
		}
		opened <- err
	}()
	e := newEvent(t, channel.EventOptions{})
	_, err := e.Signal(nil)
	require.NoError(t, err)
	require.NoError(t, <-opened)
	require.NoError(t, e.Close())
	_, err = channel.OpenEvent(short(t), "never", channel.OpenOptions{Wait: true})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestWaitersLearnThatTheirEventLostItsName(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	a := newEvent(t, channel.EventOptions{})
	ended := make(chan error, 1)
	b := openEvent(t)
	go func() {
		_, _, err := b.Wait(ctx, 0)
		ended <- err
	}()
	awaitSleepers(t, a, 1)
	require.NoError(t, os.Remove(a.Path()))
	require.ErrorIs(t, <-ended, channel.ErrOrphaned)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

func TestEventInATruncatedFileIsAnError(t *testing.T) {
	ctx := begin(t)
	e := newEvent(t, channel.EventOptions{})
	require.NoError(t, os.Truncate(e.Path(), 0))
	_, err := e.Signal([]byte("x"))
	require.ErrorIs(t, err, channel.ErrFault)
	_, _, err = e.Load()
	require.ErrorIs(t, err, channel.ErrFault)
	_, _, err = e.Wait(ctx, 0)
	require.ErrorIs(t, err, channel.ErrFault)
	i, err := channel.Wait(ctx, e.After(0))
	if err == nil {
		require.Zero(t, i)
	}
	_ = e.Close() // what it says depends on how far it came
	_ = os.Remove(e.Path())
}

func TestManyGoroutinesSignalAndWaitOnOneHandle(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	e := newEvent(t, channel.EventOptions{})
	const signallers, each = 4, 500
	var running sync.WaitGroup
	for range 3 {
		running.Go(func() {
			seq := uint64(0)
			for seq < signallers*each {
				next, value, err := e.Wait(ctx, seq)
				if err != nil || next <= seq || len(value) != 8 {
					t.Errorf("%d after %d, %q: %v", next, seq, value, err)
					return
				}
				seq = next
			}
		})
	}
	for range signallers {
		running.Go(func() {
			for range each {
				if _, err := e.Signal([]byte("8 bytes!")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	require.NoError(t, e.Close())
}

func TestSlowSpinNeverHidesASignal(t *testing.T) {
	ctx := begin(t)
	for _, spin := range []time.Duration{-1, 0, time.Millisecond} {
		o := channel.EventOptions{OpenOptions: channel.OpenOptions{Spin: spin}}
		e := newEvent(t, o)
		peer := openEvent(t)
		const rounds = 300
		done := make(chan error, 1)
		go func() {
			var err error
			for i := uint64(0); i < rounds && err == nil; i++ {
				if _, _, err = peer.Wait(ctx, 2*i); err == nil {
					_, err = peer.Signal(nil)
				}
			}
			done <- err
		}()
		for i := range uint64(rounds) {
			_, err := e.Signal(nil)
			require.NoError(t, err)
			_, _, err = e.Wait(ctx, 2*i+1)
			require.NoError(t, err)
		}
		require.NoError(t, <-done)
		require.NoError(t, e.Close())
		require.NoError(t, peer.Close())
	}
}
