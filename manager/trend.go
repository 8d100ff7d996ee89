package manager

import (
	"math"
	"sync"
	"time"
)

// trendTime is the time after which a look counts a third of what it did.
const trendTime = 10 * time.Second

// A trend follows the depth of a queue over several looks.
type trend struct {
	mu    sync.Mutex
	at    time.Time
	depth uint64
	rate  float64 // slots a second, an average
	// weight is that of all looks so far, below one: while they cover a short time, the next
	// one of the same length counts as much as they.
	weight float64
}

// minGap is the shortest time between two looks that says something about a rate.
const minGap = 10 * time.Millisecond

// apply adds a look and completes it by what follows from those before.
func (t *trend) apply(h *Health) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gap := h.At.Sub(t.at)
	switch {
	case t.at.IsZero():
		t.at, t.depth = h.At, h.Depth
	case gap >= minGap:
		rate := (float64(h.Depth) - float64(t.depth)) / gap.Seconds()
		kept := math.Exp(-gap.Seconds() / trendTime.Seconds())
		t.weight = t.weight*kept + 1 - kept
		t.rate += (1 - kept) / t.weight * (rate - t.rate)
		t.at, t.depth = h.At, h.Depth
	}
	h.Growth = t.rate
	if left := float64(h.Slots) - float64(h.Depth); t.rate > 0 && left > 0 {
		if seconds := left / t.rate; seconds < math.MaxInt32 {
			h.FullIn = time.Duration(seconds * float64(time.Second))
		}
	}
}
