package ring

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
)

// params returns a small MPSC geometry for tests.
func params(slots uint64, size uint32, arena uint64) layout.Params {
	return layout.Params{
		Kind: layout.KindChannel, RingKind: layout.RingMPSC, SlotCount: slots, SlotSize: size,
		MaxParticipants: 8, ArenaSize: arena,
	}
}

func newRing(t testing.TB, p layout.Params) (*Ring, *layout.View) {
	t.Helper()
	r, v, err := NewHeap(p)
	require.NoError(t, err)
	return r, v
}

func newConsumer(t testing.TB, r *Ring) *Consumer {
	t.Helper()
	c, err := r.NewConsumer(0)
	require.NoError(t, err)
	return c
}

// recv takes one message, copies it and releases it.
func recv(t testing.TB, c *Consumer) []byte {
	t.Helper()
	var it Item
	require.NoError(t, c.Next(&it))
	b := bytes.Clone(it.Bytes)
	require.True(t, c.Release(it.Pos))
	return b
}

func TestSendThenReceiveReturnsTheSameBytes(t *testing.T) {
	for _, p := range []layout.Params{
		params(1, 16, 0), params(2, 16, 4096), params(8, 64, 4096), params(256, 4096, 1<<20),
	} {
		t.Run(fmt.Sprintf("%dx%d+%d", p.SlotCount, p.SlotSize, p.ArenaSize), func(t *testing.T) {
			r, v := newRing(t, p)
			tx, rx := r.NewProducer(2), newConsumer(t, r)
			for i := range 3000 {
				want := bytes.Repeat([]byte{byte(i)}, i%(v.MaxMessage()+1))
				require.NoError(t, tx.Send(want))
				require.Equal(t, want, recv(t, rx))
			}
			var it Item
			require.Equal(t, ErrEmpty, rx.Next(&it))
			require.True(t, r.Seal())
			require.Equal(t, ErrEnd, rx.Next(&it))
			require.Equal(t, ErrSealed, tx.Send(nil))
		})
	}
}
