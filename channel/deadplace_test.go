package channel_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/futex"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/ring"
	"shmring/state"
)

func init() { children["hold-and-end"] = childHoldAndEnd }

// hole reserves a slot for nobody and returns its position.
func hole(t *testing.T, ch *channel.Channel) uint64 {
	t.Helper()
	v, tail := ch.View(), &ch.Control().Tail.V
	r := ring.New(v)
	pos := r.Tail().Slot
	one := uint64(1)
	for n := v.ArenaUnits; n > 0; n /= 2 { // the arena's field lies below
		one *= 2
	}
	tail.Add(one)
	require.Equal(t, pos+1, r.Tail().Slot)
	return pos
}

// deadAt leaves in a place what a sender leaves that was killed: a claim number, an intent
// over a slot of its own, a waiting bit.
func deadAt(t *testing.T, ch *channel.Channel, place int, number uint64) *layout.Participant {
	t.Helper()
	row := &ch.View().Participants[place]
	row.Who.Role.Store(uint32(layout.RoleSender))
	row.Who.PID.Store(4321)
	row.Intent.Store(ring.IntentOf(hole(t, ch), 1))
	futex.Announce(&ch.Control().Space, place)
	row.Claim.Store(number)
	return row
}

// recoverAll recovers the channel, which succeeds.
func recoverAll(t *testing.T, ch *channel.Channel) {
	t.Helper()
	_, err := ch.Recover(t.Context())
	require.NoError(t, err)
}

// Nobody has noticed a death yet, and somebody takes that very place: the death is on
// record, and nothing that the dead left there counts for the newcomer.
func TestWhoTakesThePlaceOfTheDeadSettlesIt(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	row := deadAt(t, ch, layout.PlaceSender, 77)
	tx, rx := pair(t, ch)
	require.NotZero(t, row.Claim.Load(), "the newcomer is there")
	require.EqualValues(t, 77, row.Dead.Load())
	require.EqualValues(t, 4321, row.DeadPID.Load())
	require.False(t, futex.Waiting(&ch.Control().Space, 64))
	require.NoError(t, tx.TrySend([]byte("x")))
	m, err := rx.TryRecv()
	require.NoError(t, err)
	require.Equal(t, "x", string(m.Bytes()))
	m.Release()
	require.EqualValues(t, 1, ch.Control().Totals.Holes.Load())
	require.NoError(t, ch.Close())
}

// The newcomer has not sent anything yet.
func TestIntentOfTheDeadIsNotTheNewcomers(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	deadAt(t, ch, layout.PlaceSender, 77)
	_, rx := pair(t, ch)
	_, err := rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrEmpty)
	require.EqualValues(t, 1, ch.Control().Totals.Holes.Load(), "nobody living covers the slot")
	require.NoError(t, ch.Close())
}

// A bit that stays would cost every receiver a system call for each message, for ever.
func TestWaitingBitsOfTheDeadAreCleared(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	row := deadAt(t, ch, layout.PlaceSender, 77)
	recoverAll(t, ch) // settles
	require.Zero(t, row.Claim.Load())
	require.Zero(t, row.Intent.Load())
	require.False(t, futex.Waiting(&ch.Control().Space, 64))
	rx, err := ch.TryReceiver()
	require.NoError(t, err)
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrPeerDead)
	require.NoError(t, ch.Close())
}

// Whatever the clocks and the pid in its row say: who holds the lock lives.
func TestASlowSenderIsNeverRobbed(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	l, err := tx.TryReserve(8)
	require.NoError(t, err)
	row := &ch.View().Participants[layout.PlaceSender]
	require.NotZero(t, row.Intent.Load())
	row.ProgressNs.Store(1)
	row.BusyNs.Store(1)
	row.Who.WhenNs.Store(1)
	row.Who.PID.Store(1 << 30)
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrEmpty)
	require.NoError(t, l.Commit(copy(l.Bytes(), "slow")))
	m, err := rx.TryRecv()
	require.NoError(t, err)
	require.Equal(t, "slow", string(m.Bytes()))
	m.Release()
	require.NoError(t, ch.Close())
}

// A sender is closed with a lease outstanding: what it reserved is its own until it commits.
func TestLeaseOfAClosedSenderKeepsItsPlace(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	l, err := tx.TryReserve(8)
	require.NoError(t, err)
	require.NoError(t, tx.Close())
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrEmpty)
	require.NoError(t, l.Commit(copy(l.Bytes(), "late")))
	m, err := rx.TryRecv()
	require.NoError(t, err)
	require.Equal(t, "late", string(m.Bytes()))
	m.Release()
	require.NoError(t, ch.Close())
}

// The living loser of a race covers a dead one's slot with its intent, and takes it back
// without telling anybody: the receiver finds out by itself.
func TestAHoleWhoseLoserLeavesUnheardIsPassed(t *testing.T) {
	ctx := begin(t)
	channel.NoSlices()
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	intent := &ch.View().Participants[layout.PlaceSender].Intent
	intent.Store(ring.IntentOf(hole(t, ch), 1))
	got := make(chan error, 1)
	go func() {
		m, err := rx.Recv(ctx)
		if err == nil {
			m.Release()
		}
		got <- err
	}()
	for ch.View().Participants[layout.PlaceReceiver].WaitFor.Load() != layout.WaitHole {
		shmtest.Yield()
	}
	intent.Store(0)
	for ch.Control().Totals.Holes.Load() == 0 {
		shmtest.Yield()
	}
	require.NoError(t, tx.Send(ctx, []byte("x")))
	require.NoError(t, <-got)
	require.NoError(t, ch.Close())
}

func childHoldAndEnd(c *shmtest.Conn, args []string) error {
	ch, err := channel.Open(context.Background(), args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	rx, err := ch.TryReceiver()
	if err != nil {
		return err
	}
	if _, err := rx.TryRecv(); err != nil {
		return err
	}
	if _, err := rx.TryRecv(); !errors.Is(err, io.EOF) {
		return err
	}
	c.Say("end")
	c.Hear()
	return nil
}

// A receiver that was told the end dies with a message in hand: CLOSING throws nothing away,
// its successor gets that message again.
func TestSuccessorInClosingGetsWhatWasNotReleased(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, err := ch.TrySender()
	require.NoError(t, err)
	require.NoError(t, tx.Send(ctx, []byte("held")))
	require.NoError(t, ch.Seal("end"))
	child := shmtest.Start(t, "hold-and-end", "q")
	child.Expect("end")
	require.Equal(t, state.Closing, ch.State())
	child.Kill()
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "held", string(m.Bytes()))
	require.True(t, m.Redelivered())
	m.Release()
	_, err = rx.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.NoError(t, ch.Close())
}

// breakChannel brings a channel into ERROR, for damage that a recovery repairs.
func breakChannel(t *testing.T, ch *channel.Channel) {
	t.Helper()
	ch.Control().Poison.Code.Store(uint32(layout.PoisonCommit))
	require.ErrorIs(t, ch.Seal("look at it"), channel.ErrCorrupt)
	require.Equal(t, state.Error, ch.State())
}

// Neither damage nor a channel that somebody left in ERROR is the end.
func TestAChannelInErrorHasNoEnd(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.TryReceiver()
	require.NoError(t, err)
	breakChannel(t, ch)
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrCorrupt)
	ch.Control().Poison.Code.Store(0)
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrState)
	recoverAll(t, ch)
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrEmpty)
	require.NoError(t, ch.Close())
}
