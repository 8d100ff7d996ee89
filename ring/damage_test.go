package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
)

func TestScrubRepairsTheSlotAtTheTail(t *testing.T) {
	for _, filled := range []int{0, 3} {
		for _, word := range []uint64{
			uint64(layout.NewCommit(5<<3, 3, layout.SlotInline, 8)), // a lap that is none
			uint64(layout.NewCommit(0, 3, layout.SlotNone, 7)),      // kind 0 with a length
		} {
			r, _ := newRing(t, params(8, 64, 4096))
			tx, rx := r.NewProducer(2), newConsumer(t, r)
			sendN(t, tx, filled, 8)
			rx.cell(slotPos(filled)).commit().Store(word)
			for range filled {
				recv(t, rx)
			}
			var it Item
			require.ErrorIs(t, rx.Next(&it), ErrCorrupt)
			r.Seal()
			n, err := rx.Scrub()
			require.NoError(t, err)
			require.Equal(t, 1, n)
			r.Unseal()
			require.NoError(t, r.Check())
			require.Equal(t, ErrEmpty, rx.Next(&it), "not damaged again at once")
		}
	}
}

func TestScrubRepairsAnImpossibleIntent(t *testing.T) {
	for _, place := range []int{layout.PlaceReceiver, 5} {
		r, v := newRing(t, params(8, 64, 0))
		dead, rx := r.NewProducer(3), newConsumer(t, r)
		_, err := dead.Reserve(8)
		require.NoError(t, err)
		v.Participants[3].Intent.Store(0) // settled
		v.Participants[place].Intent.Store(1 << 62)
		alive := func(p int) bool { return p == place }
		var it Item
		require.Equal(t, ErrHole, rx.Next(&it))
		_, err = rx.Skip(alive)
		require.ErrorIs(t, err, ErrCorrupt)
		r.Seal()
		n, err := rx.Scrub()
		require.NoError(t, err)
		require.Equal(t, 1, n)
		r.Unseal()
		owner, err := rx.Skip(alive)
		require.NoError(t, err)
		if place != layout.PlaceReceiver {
			require.Equal(t, place, owner, "who lives is not robbed, whatever the word meant")
			require.NoError(t, r.NewProducer(place).Send(nil))
			_, err = rx.Skip(alive)
			require.NoError(t, err)
		}
		require.EqualValues(t, 1, v.Control.Totals.Holes.Load())
	}
}

func TestSpentMessageBehindAHeldOneDoesNotComeAgain(t *testing.T) {
	r, _ := newRing(t, params(8, 32, 4096))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 3, 100) // through the arena
	pos := take(t, rx, 2)
	require.True(t, rx.Spend(pos[1]))
	require.False(t, rx.Spend(pos[1]))
	next, err := r.NewConsumer(r.tail.Load() | sealBit) // the receiver was killed
	require.NoError(t, err)
	got := take(t, next, 2)
	require.Equal(t, []uint64{pos[0], pos[0] + 2}, got, "what was held, and what was not taken")
	for _, p := range got {
		require.True(t, next.Release(p))
	}
	var it Item
	require.Equal(t, ErrEmpty, next.Next(&it))
	require.Zero(t, r.ArenaUsed())
}

func TestSpendPublishesAtOnce(t *testing.T) {
	r, _ := newRing(t, params(256, 64, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 3, 8)
	pos := take(t, rx, 1)
	require.True(t, rx.Spend(pos[0]))
	require.EqualValues(t, 1, r.Head().Slot)
}

func TestDiscardAccountsForEveryMessageThatIsAcknowledged(t *testing.T) {
	r, v := newRing(t, params(8, 64, 0))
	tx, late, rx := r.NewProducer(2), r.NewProducer(3), newConsumer(t, r)
	sendN(t, tx, 1, 8)
	_, err := late.Reserve(8)
	require.NoError(t, err)
	sendN(t, tx, 1, 8)
	_, err = tx.Reserve(8)
	require.NoError(t, err)
	tx.Abort()
	r.Seal()
	require.EqualValues(t, 2, rx.Discard(0))
	require.NoError(t, late.Commit(8), "accepted before the seal")
	require.EqualValues(t, 2, v.Control.Totals.Discarded.Load())
	require.EqualValues(t, 1, v.Control.Totals.NotDelivered.Load(), "maybe committed")
	newConsumer(t, r).Discard(0)
	require.EqualValues(t, 2, v.Control.Totals.Discarded.Load(), "a successor finds nothing")
}
