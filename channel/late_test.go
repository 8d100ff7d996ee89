//go:build linux

package channel_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/shmtest"
)

// growing encodes a value of four bytes, with room for more while it is at it.
type growing struct{}

func (growing) Size(string) int { return 4 }
func (growing) Append(dst []byte, v string) ([]byte, error) {
	return append(slices.Grow(dst, 64), v...), nil
}
func (growing) Decode(b []byte, v *string) error { *v = string(b); return nil }

func TestTypedSendOfACodecThatGrowsItsBuffer(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	ty := channel.NewTyped[string](growing{})
	require.NoError(t, ty.Send(ctx, tx, "abcd"))
	v, err := ty.Recv(ctx, rx)
	require.NoError(t, err)
	require.Equal(t, "abcd", v)
}

func TestCloseEndsAnEventThatSpinsForLong(t *testing.T) {
	begin(t)
	e := newEvent(t, channel.EventOptions{OpenOptions: channel.OpenOptions{Spin: time.Hour}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, _, err := e.Wait(ctx, 0); done <- err }()
	time.Sleep(20 * time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

func TestManyWhoReplaceAnEventAtOnceMeet(t *testing.T) {
	ctx := begin(t)
	for range 200 {
		old, err := channel.CreateEvent(ctx, "e", channel.EventOptions{
			MaxParticipants: 4, Lifetime: channel.Persistent,
		})
		require.NoError(t, err)
		require.NoError(t, old.Close())
		var wg sync.WaitGroup
		errs := make([]error, 4)
		es := make([]*channel.Event, 4)
		for i := range errs {
			wg.Go(func() {
				es[i], errs[i] = channel.OpenOrCreateEvent(ctx, "e", channel.EventOptions{
					MaxParticipants: 16,
				})
			})
		}
		wg.Wait()
		for _, e := range es {
			if e != nil {
				_ = e.Close()
			}
		}
		require.NoError(t, errors.Join(errs...))
		_ = channel.Remove(ctx, "e", channel.RemoveOptions{})
	}
}

// inode returns how /proc/self/maps names the file.
func inode(t *testing.T, path string) string {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Stat(path, &st))
	return " " + strconv.FormatUint(st.Ino, 10) + " "
}

func requireUnmapped(t *testing.T, inode string) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	require.NotContains(t, string(maps), inode, "still mapped after every Close")
}

func TestAppendOfAMessageThatIsGoneLeavesNothingHeld(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{
		Slots: 64, SlotSize: 64, ArenaBytes: 1 << 20,
		OpenOptions: channel.OpenOptions{Guard: true},
	})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, make([]byte, 100<<10)))
	st, err := os.Stat(ch.Path())
	require.NoError(t, err)
	require.NoError(t, os.Truncate(ch.Path(), st.Size()-1<<20)) // the arena is last
	_, err = rx.RecvAppend(ctx, nil)
	require.ErrorIs(t, err, channel.ErrFault)
	path, ino := ch.Path(), inode(t, ch.Path())
	defer func() { _ = os.Remove(path) }()
	require.NoError(t, tx.Close())
	require.NoError(t, rx.Close())
	_ = ch.Close()
	requireUnmapped(t, ino)
}

func TestBatchThatMeetsAFaultReturnsWhatItTook(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{
		Slots: 256, SlotSize: 64, ArenaBytes: channel.NoArena,
		OpenOptions: channel.OpenOptions{Guard: true},
	})
	tx, rx := pair(t, ch)
	for range 200 {
		require.NoError(t, tx.Send(ctx, []byte("x")))
	}
	st, err := os.Stat(ch.Path())
	require.NoError(t, err)
	require.NoError(t, os.Truncate(ch.Path(), st.Size()-2*4096)) // the second half of the slots
	dst := make([]channel.Message, 200)
	n, err := rx.RecvBatch(ctx, dst)
	require.NoError(t, err)
	rx.ReleaseBatch(dst[:n])
	path, ino := ch.Path(), inode(t, ch.Path())
	defer func() { _ = os.Remove(path) }()
	_ = tx.Close()
	_ = rx.Close()
	_ = ch.Close()
	t.Log("returned", n)
	requireUnmapped(t, ino)
}

func TestWaitForAnEventThatIsTruncated(t *testing.T) {
	ctx := begin(t)
	e := newEvent(t, channel.EventOptions{})
	o := newEventNamed(t, "other")
	done := make(chan any, 1)
	var werr error
	go func() {
		debug.SetPanicOnFault(true)
		defer func() { done <- recover() }()
		_, werr = channel.Wait(ctx, e.After(0), o.After(0))
	}()
	time.Sleep(200 * time.Millisecond)
	require.NoError(t, os.Truncate(e.Path(), 0))
	_, err := o.Signal(nil)
	require.NoError(t, err)
	died := <-done
	require.NoError(t, os.Remove(e.Path()))
	require.Nil(t, died, "Wait died of a fault")
	require.ErrorIs(t, werr, channel.ErrFault)
}

func newEventNamed(t *testing.T, name string) *channel.Event {
	t.Helper()
	e, err := channel.CreateEvent(t.Context(), name, channel.EventOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func TestSentAfterAForcedClose(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Timestamps: true})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("a")))
	require.NoError(t, tx.Send(ctx, []byte("b")))
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	require.False(t, m.Sent().IsZero())
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		c, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		_, _ = ch.Shutdown(c, channel.ShutdownOptions{AtDeadline: channel.Force})
	})
	for ch.State() != 3 && ch.State() != 4 {
		shmtest.Yield()
	}
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrClosed)
	require.True(t, bytes.Equal([]byte("a"), m.Bytes()))
	sent := m.Sent()
	m.Release()
	require.False(t, sent.IsZero(), "still held")
}

func TestForwardThatEndsKeepsWhatNobodyTook(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("a")))
	c, cancel := context.WithCancel(ctx)
	out := make(chan []byte)
	time.AfterFunc(50*time.Millisecond, cancel)
	require.ErrorIs(t, channel.Forward(c, rx, out), context.Canceled)
	m, err := rx.TryRecv()
	require.NoError(t, err, "the message was released and nobody took it")
	m.Release()
}

func TestStateWordMeansNothingToAnEvent(t *testing.T) {
	begin(t)
	e := newEvent(t, channel.EventOptions{})
	_, err := e.Signal([]byte("a"))
	require.NoError(t, err)
	e.Control().State.V.Store(2 << 28)
	o := openEvent(t) // looks for deaths, and repairs
	_, value, err := o.Load()
	require.NoError(t, err)
	require.Equal(t, "a", string(value))
}
