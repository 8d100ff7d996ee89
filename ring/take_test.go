package ring

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
)

func TestTakeIsNextForPlainMessagesOnly(t *testing.T) {
	r, _ := newRing(t, params(8, 32, 4096))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	_, _, ok := rx.Take()
	require.False(t, ok, "empty")
	require.NoError(t, tx.Send([]byte("inline")))
	require.NoError(t, tx.Send(make([]byte, 100))) // through the arena
	_, err := tx.Reserve(4)
	require.NoError(t, err)
	tx.Abort()
	require.NoError(t, tx.Send(nil))
	pos := rx.NextPos()
	data, n, ok := rx.Take()
	require.True(t, ok)
	require.Equal(t, "inline", string(unsafe.Slice(data, n)))
	require.Equal(t, pos+1, rx.NextPos())
	_, _, ok = rx.Take()
	require.False(t, ok, "a reference")
	require.Len(t, recv(t, rx), 100)
	_, _, ok = rx.Take()
	require.False(t, ok, "an aborted slot")
	require.Empty(t, recv(t, rx))
	require.Equal(t, 1, rx.Held())
	require.True(t, rx.Release(pos))
	require.False(t, rx.Release(pos))
	require.NoError(t, tx.Send([]byte("again")))
	heir, err := r.NewConsumer(r.tail.Load() | sealBit)
	require.NoError(t, err)
	_, _, ok = heir.Take()
	require.False(t, ok, "it may come for the second time")
}

func TestTakeLeavesStampedAndDamagedSlotsToNext(t *testing.T) {
	p := params(8, 64, 0)
	p.Options = layout.OptChecksums
	r, _ := newRing(t, p)
	require.NoError(t, r.NewProducer(2).Send([]byte("sum")))
	_, _, ok := newConsumer(t, r).Take()
	require.False(t, ok, "somebody has to check the sum")

	r, _ = newRing(t, params(8, 64, 0))
	rx := newConsumer(t, r)
	for _, w := range []uint64{0, 1, 1 << 63, ^uint64(0), uint64(layout.NewCommit(8, 3, 1, 4))} {
		rx.cell(0).commit().Store(w)
		_, _, ok = rx.Take()
		require.False(t, ok, "%#x", w)
	}
	rx.cell(0).commit().Store(uint64(layout.NewCommit(0, 3, layout.SlotInline, 57)))
	_, _, ok = rx.Take()
	require.False(t, ok, "longer than its slot")
}

func TestReleasesThatAreSettledTogetherDoWhatEachDoes(t *testing.T) {
	r, v := newRing(t, params(16, 32, 8192))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	for round := range 40 {
		for i := range 12 {
			require.NoError(t, tx.Send(make([]byte, 1+i*round%300)))
		}
		pos := take(t, rx, 12)
		for i := range pos {
			require.True(t, rx.ReleaseLater(pos[(i*5+round)%12]))
		}
		require.False(t, rx.ReleaseLater(pos[3]), "a second time")
		rx.SettleReleases()
		require.Zero(t, rx.Held())
		require.Equal(t, r.Tail().Slot, r.Head().Slot, "nothing is held and nothing is there")
	}
	rx.Flush()
	require.EqualValues(t, 480, v.Control.Totals.Received.Load())
	require.Zero(t, r.ArenaUsed())
}
