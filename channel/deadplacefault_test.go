//go:build fault

package channel_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/state"
)

// Between the receiver's look at an empty ring and its look for deaths somebody sends his
// last message and dies.
func TestADeathIsToldAfterAllItsData(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	for range 2 {
		require.NoError(t, tx.Send(ctx, []byte("early")))
	}
	a, err := rx.Recv(ctx)
	require.NoError(t, err)
	b, err := rx.Recv(ctx)
	require.NoError(t, err)
	a.Release() // its head is unpublished while b is held
	row := &ch.View().Participants[layout.PlaceSender]
	atPoint(t, "ring.publish.begin", func() {
		require.NoError(t, tx.TrySend([]byte("last")))
		require.NoError(t, tx.Close())
		row.DeadRole.Store(uint32(layout.RoleSender))
		row.Dead.Store(99)
		ch.Control().Membership.Seq.Add(1)
	})
	m, err := rx.TryRecv()
	require.NoError(t, err)
	require.Equal(t, "last", string(m.Bytes()))
	m.Release()
	b.Release()
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrPeerDead)
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrEmpty, "told once")
	require.NoError(t, ch.Close())
}

// Somebody finds a dead one's place, and before he settles it a newcomer may take it.
func TestASettlerSparesTheSuccessorThatCameFirst(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	other, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	deadAt(t, ch, layout.PlaceSender, 77)
	at(t, "shm.claim.locked", 1, func() {
		_, err := other.TrySender() // at this place or, if the settler has it, another one
		require.NoError(t, err)
	})
	recoverAll(t, ch)
	senders := 0
	for _, p := range ch.Participants() {
		if p.Role == layout.RoleSender {
			senders++
		}
	}
	require.Equal(t, 1, senders, "the newcomer is in the table")
	require.NoError(t, other.Close())
	require.NoError(t, ch.Close())
}

// The channel is about to be ACTIVE again, and somebody finds damage: it is not forgotten.
func TestDamageFoundWhileARecoveryEndsIsKept(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	breakChannel(t, ch)
	atPoint(t, "channel.recover.clean", func() {
		ch.Control().Poison.Code.Store(uint32(layout.PoisonTail))
	})
	recoverAll(t, ch)
	require.Equal(t, state.Error, ch.State())
	recoverAll(t, ch)
	require.Equal(t, state.Active, ch.State())
	require.NoError(t, ch.Close())
}

// A sender that meets the seal of a running recovery helps nobody: the recoverer lives.
func TestALivingControllerIsNotHelped(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	other, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	tx, err := other.TrySender()
	require.NoError(t, err)
	breakChannel(t, ch)
	atPoint(t, "channel.recover.recovering", func() {
		require.ErrorIs(t, tx.TrySend(nil), channel.ErrDraining)
		require.Equal(t, state.Recovering, ch.State())
	})
	recoverAll(t, ch)
	require.Equal(t, state.Active, ch.State())
	require.NoError(t, other.Close())
	require.NoError(t, ch.Close())
}

// A recoverer takes the seal back before it says ACTIVE: killed in between it would look like
// a closer that was killed, and be completed as one.
func TestARecoveredChannelIsUnsealedBeforeItIsActive(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	breakChannel(t, ch)
	var sealed atomic.Bool
	fault.SetHook(func(string) {
		if ch.Control().Tail.V.Load()>>63 != 0 && ch.State() == state.Active {
			sealed.Store(true)
		}
	})
	_, err := ch.Recover(ctx)
	fault.SetHook(nil)
	require.NoError(t, err)
	require.Equal(t, state.Active, ch.State())
	require.False(t, sealed.Load())
	require.NoError(t, ch.Close())
}
