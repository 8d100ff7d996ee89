package ring

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
)

func TestPeekSeesWhatRecvWillReturnAndTakesNothing(t *testing.T) {
	for _, o := range []uint32{0, layout.OptChecksums | layout.OptTimestamps} {
		p := params(8, 64, 4096)
		p.Options = o
		r, _ := newRing(t, p)
		tx, rx := r.NewProducer(2), newConsumer(t, r)
		for i := range 300 {
			at := r.Tail().Slot
			want := bytes.Repeat([]byte{byte(i)}, i*7%2000)
			require.NoError(t, tx.Send(want))
			for range 2 {
				g, err := r.Peek(at, math.MaxInt)
				require.NoError(t, err)
				require.Equal(t, want, append([]byte{}, g.Bytes...))
				require.Equal(t, o != 0, g.SentNs != 0)
				require.Equal(t, len(want), int(g.Word.Length()))
			}
			g, err := r.Peek(at, 3)
			require.NoError(t, err)
			require.Len(t, g.Bytes, min(len(want), 3))
			require.Equal(t, want, recv(t, rx))
			rx.Publish()
			_, err = r.Peek(at, 1)
			require.ErrorIs(t, err, ErrTaken)
			_, err = r.Peek(at+1, 1)
			require.ErrorIs(t, err, ErrEmpty)
		}
	}
}

func TestPeekTellsAHoleAndAnAbortedSlot(t *testing.T) {
	r, _ := newRing(t, params(4, 16, 0))
	a, b := r.NewProducer(2), r.NewProducer(3)
	_, err := a.Reserve(1)
	require.NoError(t, err)
	require.NoError(t, b.Send([]byte("b")))
	_, err = r.Peek(0, 1)
	require.ErrorIs(t, err, ErrHole)
	g, err := r.Peek(1, 1)
	require.NoError(t, err)
	assert.Equal(t, "b", string(g.Bytes))
	a.Abort()
	g, err = r.Peek(0, 1)
	require.NoError(t, err)
	assert.Equal(t, layout.SlotAborted, g.Word.Kind())
	assert.Nil(t, g.Bytes)
}

func TestPeekReportsWhatNoSenderCanHaveWritten(t *testing.T) {
	r, v := newRing(t, params(4, 64, 4096))
	require.NoError(t, r.NewProducer(2).Send(make([]byte, 100)))
	word, ref := layout.Word(v.Slots, 0), layout.Word(v.Slots, 8)
	good, goodRef := word.Load(), ref.Load()
	for _, bad := range []layout.Commit{
		layout.NewCommit(0, 2, layout.SlotInline, 57),
		layout.NewCommit(0, 2, layout.SlotArena, layout.MaxLength),
		layout.Commit(good | 1<<30),
	} {
		word.Store(uint64(bad))
		_, err := r.Peek(0, 1)
		require.ErrorIs(t, err, ErrCorrupt, "%x", bad)
	}
	word.Store(good)
	for _, bad := range []layout.Reference{
		layout.NewReference(0, 0), layout.NewReference(math.MaxUint32, 2),
		layout.NewReference(0, math.MaxUint32), layout.NewReference(0, 1),
	} {
		ref.Store(uint64(bad))
		_, err := r.Peek(0, 1)
		require.ErrorIs(t, err, ErrCorrupt, "%x", bad)
	}
	ref.Store(goodRef)
	_, err := r.Peek(0, 1)
	require.NoError(t, err)
	v.Control.Tail.V.Store(5 << (63 - 8))
	_, err = r.Peek(0, 1)
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestPeekWorksAcrossTheWrapOfPositions(t *testing.T) {
	r, _ := newRing(t, params(4, 16, 0))
	last := r.slotMask
	r.Init(last-1, 0)
	tx := r.NewProducer(2)
	for _, text := range []string{"a", "b", "c"} {
		require.NoError(t, tx.Send([]byte(text)))
	}
	for i, text := range []string{"a", "b", "c"} {
		g, err := r.Peek(last-1+uint64(i), 1)
		require.NoError(t, err)
		require.Equal(t, text, string(g.Bytes))
	}
	rx := newConsumer(t, r)
	recv(t, rx)
	rx.Publish()
	_, err := r.Peek(last-1, 1)
	require.ErrorIs(t, err, ErrTaken)
	_, err = r.Peek(last, 1)
	require.NoError(t, err)
}
