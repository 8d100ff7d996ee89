package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
)

// successor is what follows a receiver that died now.
func successor(t testing.TB, r *Ring) *Consumer {
	t.Helper()
	c, err := r.NewConsumer(r.tail.Load())
	require.NoError(t, err)
	return c
}

// What was not published comes again, and says so; what is sent afterwards does not.
func TestSuccessorGetsAgainWhatWasNotPublished(t *testing.T) {
	for _, p := range []uint64{2, 8, 256} {
		for _, at := range starts(params(p, 32, 4096)) {
			r, _ := newRing(t, params(p, 32, 4096))
			r.Init(at.slot, at.arena)
			tx, rx := r.NewProducer(2), newConsumer(t, r)
			n := int(min(p, 6))
			sendN(t, tx, n, 100)
			pos := take(t, rx, n)
			rx.Release(pos[0])
			rx.Publish()
			next := successor(t, r)
			require.True(t, next.Redelivering())
			if n < int(p) {
				sendN(t, tx, 1, 100)
				n++
			}
			for i := 1; i < n; i++ {
				var it Item
				require.NoError(t, next.Next(&it))
				require.Equal(t, i < len(pos), it.Redelivered, "message %d of %d", i, n)
				require.Len(t, it.Bytes, 100)
				require.True(t, next.Release(it.Pos))
			}
			require.False(t, next.Redelivering())
			require.True(t, r.Drained())
			require.Zero(t, r.ArenaUsed())
		}
	}
}

func TestSuccessorOfOneThatLeftNothingRedeliversNothing(t *testing.T) {
	r, _ := newRing(t, params(4, 32, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 2, 8)
	require.Len(t, drain(t, rx, nobody), 2)
	next := successor(t, r)
	require.False(t, next.Redelivering())
	sendN(t, tx, 1, 8)
	var it Item
	require.NoError(t, next.Next(&it))
	require.False(t, it.Redelivered)
}

// The tail at a death is kept as a word in shared memory: a wrong one marks too much or
// nothing, and does no more.
func TestSuccessorWithAnImpossibleMarkMarksNothing(t *testing.T) {
	r, _ := newRing(t, params(4, 32, 4096))
	r.Init(100, 0)
	tx := r.NewProducer(2)
	sendN(t, tx, 2, 8)
	for _, mark := range []uint64{r.pack(99, 0), r.pack(105, 0), ^uint64(0), 1} {
		c, err := r.NewConsumer(mark)
		require.NoError(t, err)
		require.False(t, c.Redelivering(), "%#x", mark)
	}
	c, err := r.NewConsumer(r.pack(104, 0))
	require.NoError(t, err)
	require.True(t, c.Redelivering())
}

// The receiver dies with the head published in the middle of what it holds and released:
// the arena of its successor begins at the published one.
func TestSuccessorFindsTheArenaAsPublished(t *testing.T) {
	for _, at := range starts(params(8, 32, 4096)) {
		r, v := newRing(t, params(8, 32, 4096))
		r.Init(at.slot, at.arena)
		tx, rx := r.NewProducer(2), newConsumer(t, r)
		sendN(t, tx, 3, 1024)
		pos := take(t, rx, 3)
		require.True(t, rx.Release(pos[0]))
		require.True(t, rx.Release(pos[2]))
		require.Equal(t, (at.slot+1)&r.slotMask, r.Head().Slot)
		next := successor(t, r)
		require.NoError(t, tx.Send(make([]byte, 900)), "room of the first")
		for _, want := range []int{1024, 1024, 900} {
			require.Len(t, recv(t, next), want)
		}
		require.Zero(t, r.ArenaUsed())
		require.NoError(t, tx.Send(make([]byte, v.MaxMessage())))
	}
}

// Slots before the published head may have been aborted with nobody to remember their
// room in the arena.
func TestSuccessorFreesTheArenaOfSlotsThatWereAborted(t *testing.T) {
	r, v := newRing(t, params(4, 32, 4096))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	_, err := tx.Reserve(2048)
	require.NoError(t, err)
	tx.Abort()
	sendN(t, tx, 2, 8)
	var it Item
	require.NoError(t, rx.Next(&it)) // passes the aborted one
	rx.Publish()
	require.Equal(t, uint64(1), r.Head().Slot)
	require.NotZero(t, r.ArenaUsed())
	next := successor(t, r)
	require.Len(t, drain(t, next, nobody), 2)
	require.Zero(t, r.ArenaUsed())
	require.NoError(t, tx.Send(make([]byte, v.MaxMessage())))
}

// The same while the ring is never empty: then only a tail that was remembered tells.
func TestSuccessorFreesTheArenaOfAbortedSlotsBeforeItIsEmpty(t *testing.T) {
	r, _ := newRing(t, params(4, 32, 4096))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	_, err := tx.Reserve(2048)
	require.NoError(t, err)
	tx.Abort()
	sendN(t, tx, 2, 8)
	take(t, rx, 1)
	rx.Publish()
	next := successor(t, r)
	sendN(t, tx, 1, 8)
	recv(t, next)
	require.NotZero(t, r.ArenaUsed(), "an aborted slot may lie before the tail that was seen")
	recv(t, next)
	next.Publish()
	require.Zero(t, r.ArenaUsed())
	require.False(t, r.Drained())
}

func TestSuccessorRefusesHeadAndTailThatContradictEachOther(t *testing.T) {
	for name, words := range map[string][2]uint64{ // head, tail
		"head has a seal":            {sealBit, 0},
		"head beyond the tail":       {1 << 8, 0},
		"head more than a lap back":  {0, 9 << 8},
		"arena head beyond the tail": {1, 0},
		"arena more than a lap back": {0, 65},
	} {
		r, _ := newRing(t, params(8, 32, 4096))
		require.Equal(t, uint8(7), r.arenaBits)
		head, tail := words[0], words[1]
		if name == "head beyond the tail" || name == "head more than a lap back" {
			head, tail = head>>1, tail>>1
		}
		r.head.Store(head)
		r.tail.Store(tail)
		_, err := r.NewConsumer(0)
		var corrupted *CorruptError
		require.ErrorAs(t, err, &corrupted, name)
		require.ErrorIs(t, err, ErrCorrupt)
		require.Equal(t, layout.PoisonHead, corrupted.Code)
		require.Error(t, r.Check(), name)
	}
}
