package channel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/state"
)

func TestMessagesArriveInOrderAndEOFFollowsShutdown(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 16})
	tx, rx := pair(t, ch)
	done := make(chan error, 1)
	const count = 10_000
	go func() {
		for i := range count {
			if err := tx.Send(ctx, fmt.Appendf(nil, "message %d", i)); err != nil {
				done <- err
				return
			}
		}
		_, err := ch.Shutdown(ctx, channel.ShutdownOptions{Reason: "all sent"})
		done <- err
	}()
	i := 0
	for m, err := range rx.Messages(ctx) {
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("message %d", i), string(m.Bytes()))
		i++
	}
	require.Equal(t, count, i)
	require.NoError(t, <-done)
	_, err := rx.Recv(ctx)
	require.Equal(t, io.EOF, err, "the end stays the end")
	require.Equal(t, state.Closed, ch.State())
	require.Equal(t, "all sent", ch.Reason())
	err = tx.Send(ctx, []byte("late"))
	require.ErrorIs(t, err, channel.ErrClosed)
	require.ErrorIs(t, err, os.ErrClosed)
	require.NoError(t, ch.Close())
	require.ErrorIs(t, ch.Close(), channel.ErrClosed)
}

func TestMessagesOfAllSizes(t *testing.T) {
	ctx := begin(t)
	for _, o := range []channel.Options{
		{}, {Checksums: true, Timestamps: true}, {Kind: channel.SPSC, Checksums: true},
	} {
		ch := newChannel(t, o)
		tx, rx := pair(t, ch)
		sizes := []int{0, 1, 40, 47, 48, 55, 56, 57, 63, 64, 65, 4096, 100_000, ch.MaxMessage()}
		for _, n := range sizes {
			want := bytes.Repeat([]byte{byte(n)}, n)
			require.NoError(t, tx.Send(ctx, want))
			m, err := rx.Recv(ctx)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, m.Bytes()), "size %d", n)
			require.Equal(t, o.Timestamps, !m.Sent().IsZero())
			m.Release()
			m.Release()
		}
		err := tx.Send(ctx, make([]byte, ch.MaxMessage()+1))
		require.ErrorIs(t, err, channel.ErrTooBig)
		require.NoError(t, ch.Close())
	}
}

func TestTryCallsNeverWait(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{Slots: 4})
	tx, rx := pair(t, ch)
	_, err := rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrEmpty)
	for range 4 {
		require.NoError(t, tx.TrySend([]byte("x")))
	}
	require.ErrorIs(t, tx.TrySend([]byte("x")), channel.ErrFull)
	_, err = tx.TryReserve(8)
	require.ErrorIs(t, err, channel.ErrFull)
	n, err := tx.TrySendBatch([][]byte{{1}})
	require.Zero(t, n)
	require.ErrorIs(t, err, channel.ErrFull)
	m, err := rx.TryRecv()
	require.NoError(t, err)
	m.Release()
	n, err = tx.TrySendBatch([][]byte{{1}, {2}, {3}})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = ch.TryReceiver()
	require.ErrorIs(t, err, channel.ErrBusy)
	require.ErrorContains(t, err, fmt.Sprint(os.Getpid()))
	drain(t, rx)
	require.NoError(t, ch.Close())
}

// drain receives and releases all that is there.
func drain(t testing.TB, rx *channel.Receiver) int {
	t.Helper()
	for n := 0; ; n++ {
		m, err := rx.TryRecv()
		if errors.Is(err, channel.ErrEmpty) || errors.Is(err, io.EOF) {
			return n
		}
		require.NoError(t, err)
		m.Release()
	}
}

func TestBatchesBothWays(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 16})
	tx, rx := pair(t, ch)
	batch := make([][]byte, 100)
	for i := range batch {
		batch[i] = fmt.Appendf(nil, "%d", i)
	}
	done := make(chan error, 1)
	go func() {
		n, err := tx.SendBatch(ctx, batch)
		if n != len(batch) {
			err = errors.Join(err, fmt.Errorf("sent %d", n))
		}
		done <- err
	}()
	msgs := make([]channel.Message, 8)
	for i := 0; i < len(batch); {
		n, err := rx.RecvBatch(ctx, msgs)
		require.NoError(t, err)
		for _, m := range msgs[:n] {
			require.Equal(t, fmt.Sprint(i), string(m.Bytes()))
			i++
		}
		rx.ReleaseBatch(msgs[:n])
		rx.ReleaseBatch(msgs[:n])
	}
	require.Zero(t, rx.Len())
	require.NoError(t, <-done)
	require.NoError(t, ch.Close())
}

func TestLeaseCommitsAbortsAndDetectsMisuse(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	l, err := tx.Reserve(ctx, 100)
	require.NoError(t, err)
	require.Len(t, l.Bytes(), 100)
	require.ErrorIs(t, tx.Send(ctx, nil), channel.ErrBusy)
	_, err = tx.Reserve(ctx, 1)
	require.ErrorIs(t, err, channel.ErrBusy)
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrEmpty)
	copy(l.Bytes(), "hello")
	require.ErrorIs(t, l.Commit(101), channel.ErrTooBig)
	require.NoError(t, l.Commit(5))
	require.ErrorIs(t, l.Commit(5), channel.ErrState)
	l.Abort()
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", string(m.Clone()))
	m.Release()

	l, err = tx.TryReserve(10)
	require.NoError(t, err)
	l.Abort()
	l.Abort()
	require.ErrorIs(t, l.Commit(1), channel.ErrState)
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrEmpty)
	require.NoError(t, ch.Close())
}

func TestSendFuncAbortsOnErrorPanicAndGoexit(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	mine := errors.New("mine")
	err := tx.SendFunc(ctx, 8, func([]byte) (int, error) { return 0, mine })
	require.ErrorIs(t, err, mine)
	require.PanicsWithValue(t, "mine", func() {
		_ = tx.SendFunc(ctx, 8, func([]byte) (int, error) { panic("mine") })
	})
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = tx.SendFunc(ctx, 8, func([]byte) (int, error) { runtime.Goexit(); return 0, nil })
	}()
	<-gone
	good := func(b []byte) (int, error) { return copy(b, "good"), nil }
	require.NoError(t, tx.SendFunc(ctx, 8, good))
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "good", string(m.Bytes()))
	m.Release()
	require.NoError(t, ch.Close())
}

func TestHeldMessagesAreReleasedInAnyOrder(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 8})
	tx, rx := pair(t, ch)
	for round := range 50 {
		var held []channel.Message
		for i := range 8 {
			require.NoError(t, tx.Send(ctx, []byte{byte(round), byte(i)}))
		}
		for range 8 {
			m, err := rx.Recv(ctx)
			require.NoError(t, err)
			held = append(held, m)
		}
		require.ErrorIs(t, tx.TrySend([]byte("x")), channel.ErrFull)
		for _, i := range []int{3, 0, 7, 1, 2, 6, 4, 5} {
			require.Equal(t, []byte{byte(round), byte(i)}, held[i].Bytes())
			held[i].Release()
		}
	}
	require.NoError(t, ch.Close())
}

func TestCloseCompletesWithTheLastHeldMessage(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("kept")))
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	l, err := tx.Reserve(ctx, 4)
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	require.Equal(t, "kept", string(m.Bytes()), "mapped until released")
	_, err = os.Stat(ch.Path())
	require.NoError(t, err, "still attached")
	m.Release()
	l.Abort()
	_, err = os.Stat(ch.Path())
	require.ErrorIs(t, err, fs.ErrNotExist, "the last use completed the close")
}

func TestContextEndsEveryWaitAndSaysWhoIsStuck(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{Slots: 4})
	tx, rx := pair(t, ch)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := rx.Recv(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var timeout interface{ Timeout() bool }
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
	require.ErrorContains(t, err, fmt.Sprintf("pid %d", os.Getpid()))
	for range 4 {
		require.NoError(t, tx.TrySend(nil))
	}
	why := errors.New("user went away")
	ctx2, cancel2 := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel2(why) })
	err = tx.Send(ctx2, nil)
	require.ErrorIs(t, err, why)
	require.ErrorContains(t, err, "4 of 4 slots")
	drain(t, rx)
	require.NoError(t, ch.Close())
}

func TestCloseWakesRunningCalls(t *testing.T) {
	ctx := begin(t)
	for range 50 {
		ch, err := channel.Create(ctx, "q", channel.Options{Slots: 2})
		require.NoError(t, err)
		tx, rx := pair(t, ch)
		errs := make(chan error, 2)
		go func() {
			_, err := rx.Recv(ctx)
			for err == nil {
				_, err = rx.Recv(ctx) // holds what it has
			}
			errs <- err
		}()
		go func() {
			err := tx.Send(ctx, nil)
			for err == nil {
				err = tx.Send(ctx, nil)
			}
			errs <- err
		}()
		require.NoError(t, ch.Close())
		require.ErrorIs(t, <-errs, channel.ErrClosed)
		require.ErrorIs(t, <-errs, channel.ErrClosed)
		_ = os.Remove(ch.Path()) // messages that nobody can release any more keep it
	}
}

func TestReleaseBatchCompletesAClose(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	for range 3 {
		require.NoError(t, tx.Send(ctx, nil))
	}
	msgs := make([]channel.Message, 4)
	n, err := rx.RecvBatch(ctx, msgs)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.NoError(t, ch.Close())
	rx.ReleaseBatch(msgs) // the fourth is no message at all
	_, err = os.Stat(ch.Path())
	require.ErrorIs(t, err, fs.ErrNotExist)
	rx.ReleaseBatch(msgs)
}

func TestMessagesReleasesWhenTheLoopEndsEarlyOrPanics(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	for range 4 {
		require.NoError(t, tx.Send(ctx, nil))
	}
	for _, err := range rx.Messages(ctx) {
		require.NoError(t, err)
		break
	}
	require.Panics(t, func() {
		for _, err := range rx.Messages(ctx) {
			panic(err)
		}
	})
	require.EqualValues(t, 2, ch.Stats().Depth, "two were released")
	require.Equal(t, 2, drain(t, rx))
	require.NoError(t, ch.Close())
}

func TestHotPathsAllocateNothing(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	small, long := make([]byte, 32), make([]byte, 1000)
	batch := [][]byte{small, long, small}
	msgs := make([]channel.Message, len(batch))
	buf := make([]byte, 0, 1000)
	var failed error
	keep := func(err error) { failed = errors.Join(failed, err) }
	for name, f := range map[string]func(){
		"send, recv": func() {
			keep(tx.Send(ctx, small))
			keep(tx.TrySend(long))
			for range 2 {
				m, err := rx.Recv(ctx)
				keep(err)
				m.Release()
			}
		},
		"batch": func() {
			_, err := tx.SendBatch(ctx, batch)
			keep(err)
			_, err = rx.RecvBatch(ctx, msgs)
			keep(err)
			rx.ReleaseBatch(msgs)
		},
		"lease, append": func() {
			l, err := tx.Reserve(ctx, 500)
			keep(err)
			keep(l.Commit(100))
			buf, err = rx.RecvAppend(ctx, buf[:0])
			keep(err)
		},
		"full, empty": func() {
			_, err := rx.TryRecv()
			if !errors.Is(err, channel.ErrEmpty) {
				keep(errors.New("not empty"))
			}
		},
	} {
		require.Zero(t, testing.AllocsPerRun(1000, f), name)
	}
	require.NoError(t, failed)
	require.NoError(t, ch.Close())
}
