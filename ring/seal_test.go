package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
)

func TestSealSaysWhatItDid(t *testing.T) {
	for _, at := range starts(params(2, 32, 4096)) {
		r, _ := newRing(t, params(2, 32, 4096))
		r.Init(at.slot, at.arena)
		before := r.tail.Load()
		require.False(t, r.Unseal())
		require.True(t, r.Seal())
		require.False(t, r.Seal())
		require.True(t, r.Sealed())
		require.True(t, r.Tail().Sealed)
		require.Equal(t, before|sealBit, r.tail.Load(), "the positions are as they were")
		require.True(t, r.Unseal())
		require.Equal(t, before, r.tail.Load())
	}
}

func TestSealRefusesEveryWayOfSending(t *testing.T) {
	r, v := newRing(t, params(2, 32, 4096))
	tx := r.NewProducer(2)
	r.Seal()
	require.Equal(t, ErrSealed, tx.Send(nil))
	require.Equal(t, ErrSealed, tx.Send(make([]byte, 1000)))
	require.Equal(t, ErrSealed, tx.Room(1))
	_, err := tx.Reserve(1)
	require.Equal(t, ErrSealed, err)
	n, err := tx.SendBatch([][]byte{nil, nil})
	require.Equal(t, ErrSealed, err)
	require.Zero(t, n)
	never := make([]byte, v.MaxMessage()+1)
	require.Equal(t, ErrTooBig, tx.Send(never), "whether sealed or not")
	require.Zero(t, v.Participants[2].Intent.Load())
}

func TestSealDoesNotTouchWhatWasReserved(t *testing.T) {
	r, _ := newRing(t, params(4, 32, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 1, 8)
	_, err := tx.Reserve(8)
	require.NoError(t, err)
	require.True(t, r.Seal())
	require.Len(t, recv(t, rx), 8)
	var it Item
	require.Equal(t, ErrHole, rx.Next(&it), "not the end: the second one was accepted")
	require.NoError(t, tx.Commit(3))
	require.Len(t, recv(t, rx), 3)
	require.Equal(t, ErrEnd, rx.Next(&it))
}

func TestEndComesWithMessagesStillHeldAndIsNoDrain(t *testing.T) {
	r, _ := newRing(t, params(4, 32, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 2, 8)
	r.Seal()
	pos := take(t, rx, 2)
	var it Item
	require.Equal(t, ErrEnd, rx.Next(&it))
	require.False(t, r.Drained())
	rx.Release(pos[1])
	require.False(t, r.Drained())
	rx.Release(pos[0])
	require.True(t, r.Drained())
	require.Equal(t, ErrEnd, rx.Next(&it), "for good")
}

func TestUnsealedRingGoesOn(t *testing.T) {
	r, _ := newRing(t, params(2, 32, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	var it Item
	for range 5 {
		sendN(t, tx, 1, 8)
		r.Seal()
		require.Equal(t, ErrSealed, tx.Send(nil))
		recv(t, rx)
		require.Equal(t, ErrEnd, rx.Next(&it))
		r.Unseal()
		require.Equal(t, ErrEmpty, rx.Next(&it))
	}
}

// discard returns a ring in which two of five messages are held, and the rest discarded.
func discard(t *testing.T) (r *Ring, v *layout.View, rx *Consumer, pos []uint64) {
	t.Helper()
	r, v = newRing(t, params(8, 32, 4096))
	tx := r.NewProducer(2)
	rx = newConsumer(t, r)
	sendN(t, tx, 5, 100)
	_, err := tx.Reserve(1)
	require.NoError(t, err)
	tx.Abort()
	r.Seal()
	pos = take(t, rx, 3)
	require.True(t, rx.Release(pos[1]))
	require.Equal(t, uint64(2), rx.Discard(0))
	return r, v, rx, pos
}

func TestDiscardCountsFullSlotsAndEndsTheRing(t *testing.T) {
	r, v, rx, _ := discard(t)
	require.Equal(t, uint64(2), v.Control.Totals.Discarded.Load())
	require.True(t, r.Drained())
	require.Zero(t, r.ArenaUsed())
	require.Equal(t, 2, rx.Held())
	var it Item
	require.Equal(t, ErrEnd, rx.Next(&it))
	owner, err := rx.Skip(nobody)
	require.Equal(t, -1, owner)
	require.NoError(t, err)
	n, err := rx.Scrub()
	require.Zero(t, n)
	require.NoError(t, err)
	require.Zero(t, rx.Discard(0), "a second time there is nothing left")
	require.Equal(t, uint64(2), v.Control.Totals.Discarded.Load())
}

func TestReleaseAfterDiscardNeverMovesTheHeadBack(t *testing.T) {
	r, v, rx, pos := discard(t)
	head := r.head.Load()
	require.False(t, rx.Release(pos[1]), "released before")
	require.False(t, rx.Release(pos[2]+1), "discarded, never handed out")
	for _, p := range []uint64{pos[2], pos[0]} {
		require.True(t, rx.Release(p))
		require.False(t, rx.Release(p))
		require.Equal(t, head, r.head.Load())
	}
	require.Zero(t, rx.Held())
	rx.Flush()
	require.Equal(t, head, r.head.Load())
	require.Equal(t, uint64(3), v.Control.Totals.Received.Load())
	require.Equal(t, uint64(300), v.Control.Totals.ReceivedBytes.Load())
}
