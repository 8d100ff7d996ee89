package ring

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/futex"
)

// take receives n messages and returns their positions, all of them held.
func take(t testing.TB, c *Consumer, n int) []uint64 {
	t.Helper()
	pos := make([]uint64, n)
	var it Item
	for i := range pos {
		require.NoError(t, c.Next(&it))
		pos[i] = it.Pos
	}
	return pos
}

func sendN(t testing.TB, p *Producer, n, size int) {
	t.Helper()
	for i := range n {
		require.NoError(t, p.Send(make([]byte, size)), "message %d", i)
	}
}

func TestHeadIsPublishedLateButNotTooLate(t *testing.T) {
	for slots, lazy := range map[uint64]uint64{1: 1, 2: 1, 4: 1, 8: 1, 16: 2, 256: 32, 1024: 32} {
		r, _ := newRing(t, params(slots, 64, 0))
		tx, rx := r.NewProducer(2), newConsumer(t, r)
		sendN(t, tx, int(slots), 8)
		for i, pos := range take(t, rx, int(slots)) {
			require.True(t, rx.Release(pos))
			unpublished := uint64(i+1) - r.Head().Slot
			require.Less(t, unpublished, lazy, "%d slots, release %d", slots, i)
		}
	}
}

func TestArenaIsPublishedBeforeAnEighthIsFree(t *testing.T) {
	r, v := newRing(t, params(256, 64, 64<<10))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 60, 1024)
	for i, pos := range take(t, rx, 60) {
		require.True(t, rx.Release(pos))
		unpublished := uint64(i+1)*16 - r.Head().Arena
		require.Less(t, unpublished, v.ArenaUnits/8)
	}
}

func TestReleaseInAnyOrderMovesTheHeadOverThePrefix(t *testing.T) {
	r, _ := newRing(t, params(4, 64, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 4, 8)
	pos := take(t, rx, 4)
	require.True(t, rx.Release(pos[2]))
	require.Zero(t, r.Head().Slot)
	require.True(t, rx.Release(pos[0]))
	require.Equal(t, uint64(1), r.Head().Slot)
	require.True(t, rx.Release(pos[1]))
	require.Equal(t, uint64(3), r.Head().Slot)
	require.Equal(t, 1, rx.Held())
	for _, again := range append(pos[:3:3], pos[3]+1, 1<<63, ^uint64(0)) {
		require.False(t, rx.Release(again), "not held: %d", again)
	}
	require.True(t, rx.Release(pos[3]))
	require.True(t, r.Drained())
	require.Zero(t, rx.Held())
}

func TestReleaseOfAnOldPositionDoesNotTouchTheNewLap(t *testing.T) {
	r, _ := newRing(t, params(2, 64, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 2, 8)
	old := take(t, rx, 2)
	require.True(t, rx.Release(old[0]))
	require.True(t, rx.Release(old[1]))
	sendN(t, tx, 2, 8)
	take(t, rx, 2)
	require.False(t, rx.Release(old[0]))
	require.Equal(t, 2, rx.Held())
}

func TestReleasePublishesAtOnceWhileASenderWaits(t *testing.T) {
	r, v := newRing(t, params(256, 64, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 256, 8)
	pos := take(t, rx, 3)
	require.True(t, rx.Release(pos[0]))
	require.Zero(t, r.Head().Slot)
	futex.Announce(&v.Control.Space, 2)
	seq := futex.Sample(&v.Control.Space)
	require.True(t, rx.Release(pos[1]))
	assert.Equal(t, uint64(2), r.Head().Slot)
	assert.NotEqual(t, seq, futex.Sample(&v.Control.Space), "the waiter was woken")
	futex.Withdraw(&v.Control.Space, 2)
	require.True(t, rx.Release(pos[2]))
	assert.Equal(t, uint64(2), r.Head().Slot)
}

// The receiver may hold for long what Next gives it. What it passed on the way must
// not keep a sender waiting.
func TestPassingAbortedSlotsPublishesLikeReleasing(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		r, v := newRing(t, params(256, 64, 0))
		tx, rx := r.NewProducer(2), newConsumer(t, r)
		for range 255 {
			_, err := tx.Reserve(1)
			require.NoError(t, err)
			tx.Abort()
		}
		sendN(t, tx, 1, 8)
		require.Equal(t, ErrFull, tx.Send(nil))
		most := uint64(31)
		if waiting {
			futex.Announce(&v.Control.Space, 2)
			most = 0
		}
		take(t, rx, 1)
		require.LessOrEqual(t, 255-r.Head().Slot, most)
		require.NoError(t, tx.Room(1))
	}
}

func TestHeadIsPublishedBeforeNextReturnsWithoutAMessage(t *testing.T) {
	end := map[error]func(*Ring, *Producer) error{
		ErrEmpty: func(*Ring, *Producer) error { return nil },
		ErrHole:  func(_ *Ring, p *Producer) error { _, err := p.Reserve(1); return err },
		ErrEnd:   func(r *Ring, _ *Producer) error { r.Seal(); return nil },
	}
	for want, prepare := range end {
		r, _ := newRing(t, params(256, 64, 0))
		tx, rx := r.NewProducer(2), newConsumer(t, r)
		sendN(t, tx, 3, 8)
		pos := take(t, rx, 3)
		require.True(t, rx.Release(pos[0]))
		require.True(t, rx.Release(pos[1]))
		require.Zero(t, r.Head().Slot)
		require.NoError(t, prepare(r, tx))
		var it Item
		require.Equal(t, want, rx.Next(&it))
		require.Equal(t, uint64(2), r.Head().Slot, "%v", want)
	}
}

func TestLastReleasePublishesIfNothingIsThereToReceive(t *testing.T) {
	r, _ := newRing(t, params(256, 64, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 2, 8)
	recv(t, rx)
	require.Zero(t, r.Head().Slot, "another message is there: a later call will publish")
	recv(t, rx)
	require.True(t, r.Drained())
}

func TestPublishAndFlush(t *testing.T) {
	r, v := newRing(t, params(256, 64, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 5, 8)
	recv(t, rx)
	rx.Publish()
	require.Equal(t, uint64(1), r.Head().Slot)
	require.Zero(t, v.Control.Totals.Received.Load())
	recv(t, rx)
	rx.Flush()
	require.Equal(t, uint64(2), r.Head().Slot)
	require.Equal(t, uint64(2), v.Control.Totals.Received.Load())
	require.Equal(t, uint64(16), v.Control.Totals.ReceivedBytes.Load())
	tx.Flush()
	require.Equal(t, uint64(5), v.Participants[2].Messages.Load())
	require.Equal(t, uint64(40), v.Participants[2].Bytes.Load())
}

// Slots that are aborted while an earlier tail is remembered need a newer one: the ring is
// never empty here, and their room is free all the same.
func TestArenaOfAbortedSlotsIsFreeBeforeTheRingIsEmpty(t *testing.T) {
	r, _ := newRing(t, params(16, 64, 4096))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	abort := func() {
		_, err := tx.Reserve(1024)
		require.NoError(t, err)
		tx.Abort()
	}
	sendN(t, tx, 1, 8)
	abort()
	sendN(t, tx, 1, 8)
	pos := take(t, rx, 2)
	abort()
	sendN(t, tx, 1, 8)
	pos = append(pos, take(t, rx, 1)...)
	require.True(t, rx.Release(pos[0]))
	require.True(t, rx.Release(pos[1]))
	rx.Publish()
	require.Equal(t, uint64(1024), r.ArenaUsed(), "the first is free")
	sendN(t, tx, 1, 8)
	require.True(t, rx.Release(pos[2]))
	rx.Publish()
	require.Zero(t, r.ArenaUsed())
	require.False(t, r.Drained())
}
