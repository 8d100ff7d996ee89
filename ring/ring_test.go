package ring

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/futex"
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

func TestEverythingThatSettlesASlotWakesTheReceiver(t *testing.T) {
	for name, call := range map[string]func(p *Producer) error{
		"send":   func(p *Producer) error { return p.Send(nil) },
		"batch":  func(p *Producer) error { _, err := p.SendBatch([][]byte{{}, {}}); return err },
		"commit": func(p *Producer) error { _, _ = p.Reserve(1); return p.Commit(0) },
		"abort":  func(p *Producer) error { _, _ = p.Reserve(1); p.Abort(); return nil },
	} {
		r, v := newRing(t, params(4, 16, 0))
		p := r.NewProducer(2)
		require.NoError(t, call(p))
		require.Zero(t, futex.Sample(&v.Control.Data), "%s: nobody sleeps", name)
		futex.Announce(&v.Control.Data, 0)
		require.NoError(t, call(p))
		require.Equal(t, uint32(1), futex.Sample(&v.Control.Data), name)
		require.Equal(t, uint64(1), p.Wakes())
	}
}
