package channel

import (
	"time"

	"shmring/internal/layout"
)

// Busy declares that this sender will be slow for a while, for at most limit, and
// why: others then call it busy, not stuck. The returned function ends it.
func (tx *Sender) Busy(note string, limit time.Duration) (done func()) {
	return busy(tx.ch, &tx.gate, tx.row, note, limit)
}

// Busy declares that this receiver will be slow for a while, for at most limit, and
// why: others then call it busy, not stuck. The returned function ends it.
func (rx *Receiver) Busy(note string, limit time.Duration) (done func()) {
	return busy(rx.ch, &rx.gate, rx.row, note, limit)
}

func busy(
	ch *Channel, g *gate, row *layout.Participant, note string, limit time.Duration,
) func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return func() {}
	}
	ch.try(func() {
		layout.StoreText(row.BusyNote[:], note)
		row.BusyMaxNs.Store(int64(limit))
		row.BusyNs.Store(nowNs())
	})
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if !g.closed {
			ch.try(func() {
				row.BusyNs.Store(0)
				row.ProgressNs.Store(nowNs())
			})
		}
	}
}
