package ring

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBatchIsNotStarvedByASenderOfSingles sends large batches beside somebody who moves
// the tail all the time: a batch that counts its messages inside the race loses it.
func TestBatchIsNotStarvedByASenderOfSingles(t *testing.T) {
	r, _ := newRing(t, params(8192, 16, 0))
	var stop atomic.Bool
	var group sync.WaitGroup
	rx := newConsumer(t, r)
	group.Go(func() { // sends and receives alone: the ring is nearly empty
		p := r.NewProducer(2)
		var it Item
		for !stop.Load() {
			_ = p.Send([]byte{1}) // full is as good
			for rx.Next(&it) == nil {
				rx.Release(it.Pos)
			}
		}
	})
	p, ps, full := r.NewProducer(3), make([][]byte, 2048), 0
	for i := range ps {
		ps[i] = []byte{2}
	}
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		depth, err := r.Depth()
		require.NoError(t, err)
		_, err = p.SendBatch(ps)
		if errors.Is(err, ErrFull) && depth < 4096 {
			full++
		}
	}
	stop.Store(true)
	group.Wait()
	require.Zero(t, full, "full, with half of the ring free")
}
