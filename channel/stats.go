package channel

import (
	"time"

	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/state"
)

// Stats are a snapshot of a channel's counters. Counts of running participants lag
// by up to 256 messages, except those of this attachment.
type Stats struct {
	State         state.State
	Reason        string
	Slots         uint64 // of the ring
	Depth         uint64 // reserved or full, not released
	ArenaBytes    uint64 // of the arena
	ArenaUsed     uint64 // bytes
	Sent          uint64 // messages, by senders present and past
	SentBytes     uint64
	Received      uint64 // messages released
	ReceivedBytes uint64
	Holes         uint64 // slots aborted for senders that died
	Aborted       uint64 // slots that their senders aborted
	Discarded     uint64 // accepted messages counted by a forced close
	NotDelivered  uint64 // upper bound of a forced close without an answer
	Corrupt       uint64 // impossible words found
	Senders       int    // living
	Receivers     int    // living: 0 or 1
	Deaths        []Death
	DeadReceiver  uint64 // claim number of a receiver that died and has no successor; else 0
}

// A Death is an entry of the log of deaths.
type Death struct {
	Instance uint64 // claim number
	PID      uint32
	Role     layout.Role
	Comm     string
	At       time.Time // when it was settled
}

// Stats returns a snapshot of the counters. It is zero after Close.
func (ch *Channel) Stats() Stats {
	if ch.enter() != nil {
		return Stats{}
	}
	defer ch.leave()
	ch.flushOwn()
	var s Stats
	ch.try(func() { s = ch.stats() })
	ch.acquireAll()
	return s
}

// acquireAll is for calls that tell of everything that others did.
func (ch *Channel) acquireAll() {
	ch.token.Acquire(race.Messages)
	ch.token.Acquire(race.Room)
	ch.token.Acquire(race.Control)
}

func (ch *Channel) stats() Stats {
	t := &ch.ctl.Totals
	s := Stats{
		State: ch.state.Load().State(), Reason: ch.state.Reason(),
		Slots: ch.view.SlotCount, ArenaBytes: ch.view.ArenaSize,
		Sent: t.PastSent.Load(), SentBytes: t.PastSentBytes.Load(),
		Received: t.Received.Load(), ReceivedBytes: t.ReceivedBytes.Load(), Holes: t.Holes.Load(),
		Aborted: t.Aborted.Load(), Discarded: t.Discarded.Load(),
		NotDelivered: t.NotDelivered.Load(), Corrupt: t.Corrupt.Load(),
		Deaths: ch.deaths(),
	}
	if depth, err := ch.ring.Depth(); err == nil {
		s.Depth = depth
	}
	s.ArenaUsed = ch.ring.ArenaUsed()
	if row := &ch.view.Participants[layout.PlaceReceiver]; row.Claim.Load() == 0 { // sync: claim
		s.DeadReceiver = row.Dead.Load() // sync: death
	}
	for place := range ch.places {
		row := &ch.view.Participants[place]
		role := layout.Role(row.Who.Role.Load())
		if !ch.present(place) {
			continue
		}
		switch role {
		case layout.RoleSender:
			s.Senders++
			s.Sent += row.Messages.Load()
			s.SentBytes += row.Bytes.Load()
		case layout.RoleReceiver:
			s.Receivers++
		case layout.RoleNone, layout.RoleController, layout.RoleMember:
		}
	}
	return s
}

// flushOwn publishes the counters of this attachment's handles.
func (ch *Channel) flushOwn() {
	if ch.seg.ReadOnly() {
		return
	}
	ch.publishOwn()
	ch.mu.Lock()
	txs := make([]*Sender, 0, len(ch.senders))
	for tx := range ch.senders {
		txs = append(txs, tx)
	}
	ch.mu.Unlock()
	for _, tx := range txs {
		tx.gate.mu.Lock()
		if !tx.gone {
			ch.try(tx.prod.Flush)
		}
		tx.gate.mu.Unlock()
	}
}

// deaths returns the log of deaths, oldest first.
func (ch *Channel) deaths() []Death {
	var out []Death
	for i := range ch.view.Deaths {
		d := &ch.view.Deaths[i]
		number := d.Claim.Load()
		if number == 0 {
			continue
		}
		out = append(out, Death{
			Instance: number, PID: d.Who.PID.Load(), Role: layout.Role(d.Who.Role.Load()),
			Comm: layout.LoadText(d.Who.Comm[:]), At: time.Unix(0, d.Who.WhenNs.Load()),
		})
	}
	sortByInstance(out)
	return out
}
