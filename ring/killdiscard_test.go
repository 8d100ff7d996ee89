//go:build fault

package ring

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/fault"
)

func TestDiscardCountsOnceIfItsReceiverIsKilled(t *testing.T) {
	r, v := newRing(t, params(8, 64, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 3, 8)
	r.Seal()
	done := make(chan struct{})
	fault.SetHook(func(name string) {
		if name == "ring.discard.counted" {
			runtime.Goexit()
		}
	})
	go func() { defer close(done); rx.Discard(0) }()
	<-done
	fault.SetHook(nil)
	newConsumer(t, r).Discard(0)
	require.EqualValues(t, 3, v.Control.Totals.Discarded.Load())
}
