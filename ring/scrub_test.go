package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
)

// damage is one thing that may have happened to the second of three messages, which are
// in slots of 64 bytes with checksums, the second in the arena.
var damage = map[string]func(r *Ring, v *layout.View){
	"commit word of another lap": func(r *Ring, _ *layout.View) {
		r.cell(1).commit().Store(uint64(layout.NewCommit(17<<3, 3, layout.SlotInline, 4)))
	},
	"commit word with reserved bits": func(r *Ring, _ *layout.View) {
		r.cell(1).commit().Or(1 << 30)
	},
	"inline longer than its slot": func(r *Ring, _ *layout.View) {
		r.cell(1).commit().Store(uint64(r.commitWord(1, layout.SlotInline, 100)))
	},
	"aborted with a length": func(r *Ring, _ *layout.View) {
		r.cell(1).commit().Store(uint64(r.commitWord(1, layout.SlotAborted, 1)))
	},
	"longer than its run": func(r *Ring, _ *layout.View) {
		r.cell(1).commit().Store(uint64(r.commitWord(1, layout.SlotArena, 1000)))
	},
	"reference of no units": func(r *Ring, _ *layout.View) {
		r.cell(1).set(r.payloadOff, uint64(layout.NewReference(0, 0)))
	},
	"reference of too many units": func(r *Ring, _ *layout.View) {
		r.cell(1).set(r.payloadOff, uint64(layout.NewReference(0, 33)))
	},
	"reference across the end": func(r *Ring, _ *layout.View) {
		r.cell(1).set(r.payloadOff, uint64(layout.NewReference(63, 2)))
	},
	"reference out of the field": func(r *Ring, _ *layout.View) {
		r.cell(1).set(r.payloadOff, uint64(layout.NewReference(1<<20, 2)))
	},
	"reference into what is in use": func(r *Ring, _ *layout.View) {
		r.cell(1).set(r.payloadOff, uint64(layout.NewReference(64+40, 2)))
	},
	"one bit of the payload": func(_ *Ring, v *layout.View) { v.Arena[7] ^= 1 },
	"checksum": func(r *Ring, _ *layout.View) {
		c := r.cell(1)
		c.set(r.checksumOff, c.word(r.checksumOff).Load()^1)
	},
}

func TestDamageIsReportedAndNothingElseHappens(t *testing.T) {
	for name, do := range damage {
		r, v := newRing(t, stamped(8, 64, 4096))
		tx, rx := r.NewProducer(2), newConsumer(t, r)
		sendN(t, tx, 1, 8)
		sendN(t, tx, 1, 100)
		sendN(t, tx, 1, 8)
		do(r, v)
		recv(t, rx)
		for range 3 {
			var it Item
			require.ErrorIs(t, rx.Next(&it), ErrCorrupt, name)
			require.Equal(t, uint64(1), rx.NextPos(), name)
			require.Zero(t, rx.Held())
		}
	}
}

// The run would lie within a lap of the head, and outside of the memory.
func TestReferenceAcrossTheEndOfTheArenaIsDamage(t *testing.T) {
	r, _ := newRing(t, params(8, 64, 4096))
	r.Init(0, 60)
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 1, 100)
	r.cell(0).set(r.payloadOff, uint64(layout.NewReference(63, 2)))
	var it Item
	require.ErrorContains(t, rx.Next(&it), "across the arena's end")
}

func TestScrubMakesDamageAHoleAndKeepsTheRest(t *testing.T) {
	for name, do := range damage {
		r, v := newRing(t, stamped(8, 64, 4096))
		tx, rx := r.NewProducer(2), newConsumer(t, r)
		sendN(t, tx, 1, 8)
		sendN(t, tx, 1, 100)
		sendN(t, tx, 1, 9)
		do(r, v)
		r.Seal()
		n, err := rx.Scrub()
		require.NoError(t, err)
		require.Equal(t, 1, n, name)
		require.Equal(t, uint64(1), v.Control.Totals.Corrupt.Load())
		n, err = rx.Scrub()
		require.NoError(t, err)
		require.Zero(t, n, "%s: once repaired, it is whole", name)
		r.Unseal()
		got := drain(t, rx, nobody)
		require.Len(t, got, 2, name)
		require.Len(t, got[0], 8)
		require.Len(t, got[1], 9)
		require.Zero(t, r.ArenaUsed(), name)
		require.NoError(t, tx.Send(make([]byte, v.MaxMessage())), name)
	}
}

func TestScrubVerifiesChecksumsOfInlineMessages(t *testing.T) {
	r, v := newRing(t, stamped(4, 64, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 2, 8)
	v.Slots[v.PayloadOff+3] ^= 4
	n, err := rx.Scrub()
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Len(t, drain(t, rx, nobody), 1)
}

// A sender may be filling the slot whose word is damaged: its commit counts.
func TestScrubLeavesASlotToItsOwner(t *testing.T) {
	r, _ := newRing(t, params(8, 64, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	buf, err := tx.Reserve(3)
	require.NoError(t, err)
	r.cell(0).commit().Store(1 << 29)
	r.Seal()
	n, err := rx.Scrub()
	require.NoError(t, err)
	require.Equal(t, 1, n)
	var it Item
	require.Equal(t, ErrHole, rx.Next(&it))
	copy(buf, "abc")
	require.NoError(t, tx.Commit(3))
	require.Equal(t, "abc", string(recv(t, rx)))
}

func TestScrubOfAHealthyRingFindsNothing(t *testing.T) {
	for _, p := range []layout.Params{params(1, 16, 0), stamped(8, 64, 4096)} {
		for _, at := range starts(p) {
			r, v := newRing(t, p)
			r.Init(at.slot, at.arena)
			tx, rx := r.NewProducer(2), newConsumer(t, r)
			for range 3 * p.SlotCount {
				require.NoError(t, tx.Send(make([]byte, min(200, v.MaxMessage()))))
				n, err := rx.Scrub()
				require.NoError(t, err)
				require.Zero(t, n)
				recv(t, rx)
			}
			_, err := tx.Reserve(1)
			require.NoError(t, err)
			n, err := rx.Scrub()
			require.NoError(t, err)
			require.Zero(t, n)
		}
	}
}

// The next position is within a lap of this tail; what is held before it is not.
func TestTailBeyondTheLapOfWhatIsHeldIsImpossible(t *testing.T) {
	r, _ := newRing(t, params(4, 64, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 2, 8)
	take(t, rx, 2)
	r.tail.Store(r.pack(5, 0))
	var it Item
	require.ErrorIs(t, rx.Next(&it), ErrCorrupt)
	_, err := rx.Skip(nobody)
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestScrubAndEverythingElseRefuseAnImpossibleTail(t *testing.T) {
	r, _ := newRing(t, params(4, 64, 4096))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 1, 8)
	recv(t, rx)
	r.tail.Store(r.pack(1000, 0))
	var it Item
	require.ErrorIs(t, rx.Next(&it), ErrCorrupt)
	_, err := rx.Skip(nobody)
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = rx.Scrub()
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, r.Check(), ErrCorrupt)
	_, err = r.Depth()
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = r.Unread()
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, tx.Send(nil), ErrCorrupt)
	require.ErrorIs(t, tx.Room(1), ErrCorrupt)
	_, err = tx.SendBatch([][]byte{nil})
	require.ErrorIs(t, err, ErrCorrupt)
	require.Zero(t, rx.Len())
	require.Zero(t, r.rows[2].Intent.Load())
}
