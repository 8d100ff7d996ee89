package channel_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

func isEmpty(err error) bool { return errors.Is(err, channel.ErrEmpty) }

// slotWord returns the commit word of a slot.
func slotWord(ch *channel.Channel, i uint64) interface{ Store(uint64) } {
	return layout.Word(ch.View().Slots, i*uint64(ch.View().SlotSize))
}

func TestDamagedSlotStopsTheChannelAndRecoverKeepsTheRest(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Checksums: true})
	tx, rx := pair(t, ch)
	for _, s := range []string{"a", "b", "c", "d"} {
		require.NoError(t, tx.Send(ctx, []byte(s)))
	}
	slotWord(ch, 1).Store(0xdead_beef_dead_beef)
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	m.Release()
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrCorrupt)
	require.Equal(t, state.Error, ch.State())
	require.Contains(t, ch.Reason(), "commit word")
	require.ErrorIs(t, tx.Send(ctx, nil), channel.ErrCorrupt)
	r, err := ch.Recover(ctx)
	require.NoError(t, err)
	require.Equal(t, channel.Recovery{
		Was: state.Error, Reason: "corrupt: impossible commit word", State: state.Active,
		Damaged: 1, Kept: 2,
	}, r)
	require.Equal(t, state.Active, ch.State())
	for _, want := range []string{"c", "d"} {
		m, err := rx.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, want, string(m.Bytes()))
		m.Release()
	}
	require.NoError(t, tx.Send(ctx, []byte("again")))
	require.Equal(t, 1, drain(t, rx))
	require.NoError(t, ch.Close())
}

func TestDamagedPayloadIsFoundByItsChecksum(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Checksums: true})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("payload")))
	ch.View().Slots[ch.View().PayloadOff] ^= 1
	_, err := rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrCorrupt)
	require.ErrorContains(t, err, "checksum")
	require.NoError(t, mend(ctx, ch))
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrEmpty)
	require.NoError(t, ch.Close())
}

func TestRecoverOfAHealthyChannelChangesNothing(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("x")))
	r, err := ch.Recover(ctx)
	require.NoError(t, err)
	require.Equal(t, channel.Recovery{Was: state.Active, State: state.Active, Kept: 1}, r)
	require.Equal(t, state.Active, ch.State())
	require.Empty(t, ch.History())
	require.Equal(t, 1, drain(t, rx))
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	require.ErrorIs(t, mend(ctx, ch), channel.ErrState)
	require.NoError(t, ch.Close())
}

func TestRecoverTellsOfTheDeadAndTheirUnfilledSlots(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	child := shmtest.Start(t, "reserve-and-wait", "q", "100")
	child.Expect("reserved")
	require.NoError(t, tx.Send(ctx, []byte("behind it")))
	r, err := ch.Recover(ctx)
	require.NoError(t, err)
	require.Equal(t, channel.Recovery{Was: state.Active, State: state.Active, Kept: 1}, r,
		"what the living reserved is theirs")
	child.Kill()
	for ch.Stats().Senders > 1 { // the kernel frees the lock a little later
		shmtest.Yield()
	}
	r, err = ch.Recover(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Holes)
	require.EqualValues(t, 1, r.Kept)
	for _, d := range r.Settled { // unless a notice came first
		require.EqualValues(t, child.PID(), d.PID)
	}
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, drain(t, rx))
	require.NoError(t, ch.Close())
}

func TestRecoverBesideALivingReceiverElsewhereIsBusy(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	other, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	ch.Control().Poison.Code.Store(uint32(layout.PoisonCommit))
	err = mend(ctx, other)
	require.ErrorIs(t, err, channel.ErrBusy)
	require.ErrorContains(t, err, "let the receiver")
	require.NoError(t, mend(ctx, ch))
	require.NoError(t, other.Close())
	require.NoError(t, rx.Close())
	require.NoError(t, ch.Close())
}

func TestImpossibleHeadCannotBeRecovered(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	require.NoError(t, tx.Send(ctx, []byte("x")))
	ch.Control().Head.V.Store(12345 << 20)
	_, err = ch.Receiver(ctx)
	require.ErrorIs(t, err, channel.ErrCorrupt)
	err = mend(ctx, ch)
	require.ErrorIs(t, err, channel.ErrCorrupt)
	require.ErrorContains(t, err, "shut it down by force or remove it")
	require.Equal(t, state.Error, ch.State())
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.ErrorIs(t, err, channel.ErrCorrupt)
	r, err := ch.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	require.NoError(t, err, "a forced end needs no sound ring")
	require.Equal(t, state.Closed, r.State)
	require.Equal(t, ch.View().SlotCount, r.NotDelivered, "nobody knows how many")
	require.ErrorIs(t, tx.Send(ctx, nil), channel.ErrClosed)
	require.NoError(t, ch.Close())
}

func TestStateWordThatCannotBe(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	ch.Control().State.V.Store(0xf000_0000)
	require.NoError(t, tx.Send(ctx, []byte("x")), "the seal decides")
	require.ErrorIs(t, ch.Seal("no"), channel.ErrCorrupt)
	require.ErrorIs(t, ch.Drain(ctx, nil), channel.ErrCorrupt)
	_, err := ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.ErrorIs(t, err, channel.ErrCorrupt)
	require.Equal(t, 1, drainAll(rx))
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrCorrupt, "nobody sleeps for what cannot come")
	require.NotEmpty(t, ch.State().String())
	require.NoError(t, ch.Close())
}

func TestEOFIsNotToldWhileACloserDiedBetweenSealAndState(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("x")))
	ch.Control().Tail.V.Or(1 << 63) // sealed, still ACTIVE: a closer died half-way
	require.ErrorIs(t, tx.Send(ctx, nil), channel.ErrDraining)
	require.Equal(t, state.Draining, ch.State(), "the sender completed it")
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	m.Release()
	_, err = rx.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.NoError(t, ch.Close())
}

func TestRecoveringWithoutItsRecoverer(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, _ := pair(t, ch)
	ch.Control().Tail.V.Or(1 << 63)
	ch.Control().State.V.Store(uint32(state.NewWord(state.Recovering)))
	require.ErrorIs(t, tx.Send(ctx, nil), channel.ErrState)
	require.Equal(t, state.Error, ch.State(), "sealed: the recovery failed")
	require.NoError(t, mend(ctx, ch))
	require.NoError(t, tx.Send(ctx, nil))
	require.NoError(t, ch.Close())
	require.NoError(t, channel.Remove(context.Background(), "q",
		channel.RemoveOptions{Unread: true}))
}
