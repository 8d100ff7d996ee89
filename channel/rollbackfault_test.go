//go:build fault

package channel_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/state"
)

// TestRollbackThatEndsWhileItsReceiverLooksIsNoError lets a rollback be done between the
// moment when a receiver sees its ERROR and that when it asks whether it still goes on.
func TestRollbackThatEndsWhileItsReceiverLooksIsNoError(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, ch.Seal("a shutdown"))
	m := state.New(ch.View().Control)
	_, err := m.Move(m.Load(), state.Change{To: state.Error, Reason: "rollback: a shutdown"})
	require.NoError(t, err)
	done := false
	atPoint(t, "channel.recv.error", func() {
		done = true
		_, err := m.Move(m.Load(), state.Change{
			To: state.Recovering, Reason: "rollback: a shutdown",
		})
		require.NoError(t, err)
		_, err = m.Move(m.Load(), state.Change{
			To: state.Active, Reason: "rollback: a shutdown", Between: func() error {
				ch.Control().Tail.V.And(1<<63 - 1)
				return nil
			},
		})
		require.NoError(t, err)
	})
	_, err = rx.TryRecv()
	require.True(t, done)
	require.ErrorIs(t, err, channel.ErrEmpty)
	require.NoError(t, tx.Send(ctx, []byte("again")))
	msg, err := rx.Recv(ctx)
	require.NoError(t, err)
	msg.Release()
	require.NoError(t, ch.Close())
}

// TestReceiverLearnsOfARollbackThatDiedThoughItsLockWentLate has somebody die in the ERROR of his
// rollback. The kernel tells of that, and frees the control lock later, when all are asleep again.
func TestReceiverLearnsOfARollbackThatDiedThoughItsLockWentLate(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("held")))
	held, err := rx.Recv(ctx)
	require.NoError(t, err)
	other, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	ch.LoseNotices()
	other.LoseNotices()
	inError, asleep := make(chan struct{}), make(chan struct{})
	gone, dead, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once
	seq, sample := &ch.Control().Data.Seq, uint32(0)
	fault.SetHook(func(name string) {
		switch name {
		case "channel.recover.error":
			close(inError)
			<-gone
			runtime.Goexit() // frees the lock and does no more
		case "channel.recv.announced":
			sample = seq.Load()
		case "channel.recv.sleeping":
			if seq.Load() == sample { // nobody has woken it meanwhile, nor will
				once.Do(func() { close(asleep) })
			}
		}
	})
	t.Cleanup(func() { fault.SetHook(nil) })
	go func() {
		defer close(dead)
		_, _ = other.Shutdown(short(t), channel.ShutdownOptions{AtDeadline: channel.Rollback})
	}()
	<-inError
	ch.Notice(false)
	go func() { _, err := rx.Recv(ctx); ended <- err }()
	<-asleep
	close(gone)
	<-dead
	ch.Notice(true)
	require.ErrorIs(t, <-ended, channel.ErrState)
	held.Release()
	require.NoError(t, other.Close())
	require.NoError(t, ch.Close())
}
