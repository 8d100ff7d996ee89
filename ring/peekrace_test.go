package ring

import (
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/race"
)

// TestPeekBesideOthersAtWorkShowsWholeMessagesOnly peeks at a ring of few slots, each of which
// is written over all the time. The race detector would report the sender's plain stores:
// that copies may be torn, and are thrown away then, is the point.
func TestPeekBesideOthersAtWorkShowsWholeMessagesOnly(t *testing.T) {
	if race.Enabled {
		t.Skip("the sender stores payload plainly, and Peek reads it beside him on purpose")
	}
	const looks, words = 5_000, 32
	r, _ := newRing(t, params(4, 256, 4096))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	var enough atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		p := make([]byte, 8*words)
		for i := uint64(0); !enough.Load(); i++ {
			n := 8 * (words - int(i%2)*8) // every second one is larger than a slot
			for at := 0; at < n; at += 8 {
				binary.LittleEndian.PutUint64(p[at:], i)
			}
			for errors.Is(tx.Send(p[:n]), ErrFull) && !enough.Load() {
				runtime.Gosched()
			}
		}
	})
	wg.Go(func() {
		for it := (Item{}); !enough.Load(); {
			if rx.Next(&it) != nil {
				runtime.Gosched()
				continue
			}
			if rx.Release(it.Pos); it.Pos%3 == 0 {
				runtime.Gosched() // on one processor nobody else sees a message otherwise
			}
		}
	})
	defer wg.Wait()
	defer enough.Store(true)
	for seen := 0; seen < looks; {
		head := r.Head().Slot
		for pos := head; pos < head+4; pos++ {
			g, err := r.Peek(pos, math.MaxInt)
			if err != nil {
				require.NotErrorIs(t, err, ErrCorrupt)
				continue
			}
			seen++
			for at := 0; at < len(g.Bytes); at += 8 {
				require.Equal(t, pos, binary.LittleEndian.Uint64(g.Bytes[at:]), "position %d", pos)
			}
		}
		runtime.Gosched()
	}
}
