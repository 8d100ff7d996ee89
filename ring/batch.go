package ring

import (
	"shmring/internal/bulk"
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// SendBatch sends the longest prefix of ps that fits now, by one reservation, and
// returns how many messages that is. If none fits it returns 0 and ErrFull; ErrTooBig
// if the first one never can; the other errors are those of Send. One reservation
// takes at most all slots and half the arena, so a caller that got fewer than
// len(ps) calls again with the rest. A batch is not atomic: if the sender is killed
// in the middle, any subset may be delivered, in order.
func (p *Producer) SendBatch(ps [][]byte) (int, error) {
	if p.open.active {
		return 0, ErrPending
	}
	if len(ps) == 0 {
		return 0, nil
	}
	if _, err := p.unitsFor(len(ps[0])); err != nil {
		return 0, err
	}
	t, n, units, err := p.claimBatch(ps)
	if err != nil {
		return 0, err
	}
	fault.Point("ring.batch.claimed")
	p.count(n, p.fillBatch(t, ps[:n], units))
	return n, nil
}

// claimBatch reserves slots and one arena run for the longest prefix of ps.
func (p *Producer) claimBatch(ps [][]byte) (t uint64, n int, units uint64, err error) {
	most, all := p.most(ps)
	for range maxRaces {
		t = p.tail.Load() // sync: tail
		if t&sealBit != 0 {
			return 0, 0, 0, ErrSealed
		}
		fault.Point("ring.claim.tail")
		h := p.cachedHead
		if t != p.lastTail {
			h = p.head.Load() // sync: head
		}
		n, units = most, all
		next, ok := p.fit(t, h, uint64(n), units)
		if !ok {
			h = p.head.Load() // sync: head
			if n, units = p.measure(t, h, ps[:most]); n == 0 {
				fault.Point("ring.claim.full")
				if p.tail.Load() != t { // sync: tail
					continue
				}
				return 0, 0, 0, p.refuse(t, h)
			}
			next, ok = p.fit(t, h, uint64(n), units)
		}
		if ok && p.take(t, next, uint64(n)) {
			p.cachedHead, p.lastTail = h, next
			return t, n, units, nil
		}
	}
	return 0, 0, 0, ErrFull
}

// most returns how many messages of ps one reservation takes if there is room, and the
// units of their run. It is found out before the race for the tail, which a long look at
// the batch would lose.
func (s *shape) most(ps [][]byte) (n int, units uint64) {
	ps = ps[:min(uint64(len(ps)), s.slots)]
	for i, b := range ps {
		if len(b) <= s.inlineMax {
			continue
		}
		u, err := s.unitsFor(len(b))
		if err != nil || units+u > s.units/2 {
			return i, units
		}
		units += u
	}
	return len(ps), units
}

// measure returns how many messages of ps fit at t before h, and the units of the
// arena run that they need together.
func (s *shape) measure(t, h uint64, ps [][]byte) (n int, units uint64) {
	used := s.slotsFrom(s.slotOf(h), s.slotOf(t))
	if used >= s.slots || h&sealBit != 0 {
		return 0, 0
	}
	if free := s.slots - used; uint64(len(ps)) > free {
		ps = ps[:free]
	}
	for i, b := range ps {
		if len(b) <= s.inlineMax {
			continue
		}
		u, err := s.unitsFor(len(b))
		if err != nil || units+u > s.units/2 {
			return i, units
		}
		if _, ok := s.fit(t, h, 1, units+u); !ok {
			return i, units
		}
		units += u
	}
	return len(ps), units
}

// fillBatch writes the messages of a batch that was reserved at t, and commits them.
// All commit words but the first are stored before the first: the consumer cannot
// see a later one before it, and is woken once. It returns the payload bytes.
func (p *Producer) fillBatch(t uint64, ps [][]byte, units uint64) int {
	pos, arena := p.slotOf(t), p.arenaOf(t)
	if units == 0 && !p.stamped {
		return p.fillInline(pos, ps)
	}
	p.fetch(pos, uint64(len(ps)))
	if units != 0 {
		arena += arenaPos(p.padding(arena, units))
	}
	var first layout.Commit
	bytes := 0
	for i, b := range ps {
		s := p.cell(pos + slotPos(i))
		kind := layout.SlotInline
		if len(b) <= p.inlineMax {
			copy(s.bytes(p.payloadOff, len(b)), b)
		} else {
			kind = layout.SlotArena
			u := (uint64(len(b)) + layout.ArenaUnit - 1) / layout.ArenaUnit
			bulk.Copy(p.refer(s, arena, u, len(b)), b)
			arena += arenaPos(u)
		}
		if p.stamped {
			p.stamp(s, b)
		}
		bytes += len(b)
		w := p.commitWord(pos+slotPos(i), kind, len(b))
		if i == 0 {
			first = w
			continue
		}
		fault.Point("ring.batch.filled")
		s.commitLater(uint64(w))
	}
	fault.Point("ring.batch.last")
	p.publish(p.cell(pos), first)
	return bytes
}
