package ring

import (
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// reservation is what a producer has reserved and not yet committed.
type reservation struct {
	buf    []byte
	pos    slotPos
	kind   layout.SlotKind
	active bool
}

// unitsFor returns how many arena units a message of n bytes takes, zero if it fits
// into a slot.
func (s *shape) unitsFor(n int) (uint64, error) {
	if n < 0 {
		return 0, ErrTooBig
	}
	if n <= s.inlineMax {
		return 0, nil
	}
	units := (uint64(n) + layout.ArenaUnit - 1) / layout.ArenaUnit
	if units > s.units/2 {
		return 0, ErrTooBig
	}
	return units, nil
}

// Reserve reserves room for a message of n bytes and returns it to be filled in
// place: exactly n bytes of unspecified content, valid until Commit or Abort. The
// errors are those of Send. A message longer than a slot takes its whole arena room,
// rounded up to 64 bytes, even if Commit then names less.
func (p *Producer) Reserve(n int) ([]byte, error) {
	if p.open.active {
		return nil, ErrPending
	}
	units, err := p.unitsFor(n)
	if err != nil {
		return nil, err
	}
	t, err := p.claim(1, units)
	if err != nil {
		return nil, err
	}
	pos := p.slotOf(t)
	s := p.cell(pos)
	kind, buf := layout.SlotInline, []byte(nil)
	if units == 0 {
		buf = s.bytes(p.payloadOff, n)
	} else {
		kind = layout.SlotArena
		start := p.arenaOf(t)
		start += arenaPos(p.padding(start, units))
		buf = p.refer(s, start, units, n)
	}
	p.open = reservation{buf: buf[:n:n], pos: pos, kind: kind, active: true}
	return p.open.buf, nil
}

// refer stores the reference to a run in the arena and returns the run's first n
// bytes. The slot and the run are ours: the run lies inside, since fit has found room
// for it and it starts after the padding.
func (s *shape) refer(c cell, start arenaPos, units uint64, n int) []byte {
	at := uint64(start) & s.arenaMask
	c.set(s.payloadOff, uint64(layout.NewReference(uint32(at), uint32(units))))
	return s.arenaBytes(at&(s.units-1), n)
}

// Commit sends the first m bytes of the reservation. It returns ErrTooBig if m is not
// between zero and what was reserved, and then the reservation stays; ErrNotPending
// if there is none. A seal set after Reserve does not matter: the message was
// accepted before it.
func (p *Producer) Commit(m int) error {
	switch {
	case !p.open.active:
		return ErrNotPending
	case m < 0 || m > len(p.open.buf):
		return ErrTooBig
	}
	s := p.cell(p.open.pos)
	if p.stamped {
		p.stamp(s, p.open.buf[:m])
	}
	w := p.commitWord(p.open.pos, p.open.kind, m)
	p.open = reservation{}
	fault.Point("ring.commit.filled")
	p.publish(s, w)
	p.count(1, m)
	return nil
}

// Abort gives the reservation up: the receiver passes the slot. Without a
// reservation it does nothing.
func (p *Producer) Abort() {
	if !p.open.active {
		return
	}
	s, w := p.cell(p.open.pos), p.commitWord(p.open.pos, layout.SlotAborted, 0)
	p.open = reservation{}
	fault.Point("ring.abort.begin")
	p.publish(s, w)
}

// Pending reports whether a reservation is outstanding.
func (p *Producer) Pending() bool { return p.open.active }
