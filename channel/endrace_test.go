//go:build fault

package channel_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/state"
)

// atPoint runs f once, when the point is passed for the first time.
func atPoint(t *testing.T, point string, f func()) {
	t.Helper()
	var once sync.Once
	fault.SetHook(func(name string) {
		if name == point {
			once.Do(f)
		}
	})
	t.Cleanup(func() { fault.SetHook(nil) })
}

// TestEndSeenBeforeARollbackIsNotTold takes the seal back, sends and seals again between
// the receiver's look at the ring and its look at the state.
func TestEndSeenBeforeARollbackIsNotTold(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, ch.Seal("first"))
	atPoint(t, "channel.recv.end", func() {
		tail := &ch.Control().Tail.V
		ch.Control().State.V.Store(uint32(state.NewWord(state.Active)) + 3)
		tail.And(1<<63 - 1)
		require.NoError(t, tx.Send(ctx, []byte("accepted between")))
		require.NoError(t, ch.Seal("second"))
	})
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "accepted between", string(m.Bytes()))
	m.Release()
	_, err = rx.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.NoError(t, ch.Close())
}

// TestRollbackThatLosesToTheEndLeavesIt lets the receiver reach the end while a rollback is
// between its look at the state and its change of it.
func TestRollbackThatLosesToTheEndLeavesIt(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("held")))
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	ended := make(chan error, 1)
	var once sync.Once
	fault.SetHook(func(name string) {
		if name == "state.move.recorded" && ch.State() == state.Draining {
			once.Do(func() {
				_, err := rx.TryRecv()
				ended <- err
			})
		}
	})
	t.Cleanup(func() { fault.SetHook(nil) })
	late, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	r, err := ch.Shutdown(late, channel.ShutdownOptions{AtDeadline: channel.Rollback})
	require.ErrorIs(t, err, channel.ErrState)
	require.Equal(t, io.EOF, <-ended)
	require.Equal(t, state.Closing, r.State, "the end is final")
	_, err = rx.TryRecv()
	require.Equal(t, io.EOF, err)
	m.Release()
	require.NoError(t, ch.Close())
}
