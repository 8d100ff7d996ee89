package ring

import (
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// maxRaces bounds the rounds of one claim. Each round is lost to another sender that
// won, so in a healthy ring a few are many; a peer that flips the tail word for ever
// gets no more than this out of us.
const maxRaces = 1 << 12

// claim reserves n slots and a run of units in the arena by one CAS of the tail. It
// returns the tail that it reserved at. On success our intent covers the slots and
// they are ours alone until committed; on any error the intent is zero.
func (p *Producer) claim(n, units uint64) (uint64, error) {
	for range maxRaces {
		t := p.tail.Load() // sync: tail
		if t&sealBit != 0 {
			return 0, ErrSealed
		}
		fault.Point("ring.claim.tail")
		h := p.cachedHead
		if t != p.lastTail {
			h = p.head.Load() // sync: head
		}
		next, ok := p.fit(t, h, n, units)
		if !ok {
			h = p.head.Load() // sync: head
			if next, ok = p.fit(t, h, n, units); !ok {
				fault.Point("ring.claim.full")
				if p.tail.Load() != t { // sync: tail
					continue // t and h are not of one time: they prove nothing
				}
				return 0, p.refuse(t, h)
			}
		}
		if p.take(t, next, n) {
			p.cachedHead, p.lastTail = h, next
			return t, nil
		}
	}
	return 0, ErrFull
}

// take is one attempt to move the tail from t to next, over n slots. The intent is
// in memory before the CAS can make us the owner of anything, and a lost CAS clears
// it before anything else happens: a hole may be waiting for us.
func (p *Producer) take(t, next, n uint64) bool {
	storeIntent(p.intent, IntentOf(uint64(p.slotOf(t)), int(n))) // sync: intent
	fault.Point("ring.claim.intent")
	if !p.tail.CompareAndSwap(t, next) { // sync: tail
		fault.Point("ring.claim.lost")
		storeIntent(p.intent, 0) // sync: intent
		return false
	}
	fault.Point("ring.claim.won")
	return true
}

// fit returns the tail after a reservation at t of n slots and of units in the
// arena, and whether there is room for it before h. A head older than the truth only
// makes the room smaller.
func (s *shape) fit(t, h, n, units uint64) (uint64, bool) {
	used := s.slotsFrom(s.slotOf(h), s.slotOf(t))
	if used+n > s.slots || h&sealBit != 0 {
		return 0, false
	}
	arena := s.arenaOf(t)
	if units != 0 {
		total := s.padding(arena, units) + units
		if s.unitsFrom(s.arenaOf(h), arena)+total > s.units {
			return 0, false
		}
		arena += arenaPos(total)
	}
	return s.pack(s.slotOf(t)+slotPos(n), arena), true
}

// padding returns how many units a run of the given length at arena skips so that it
// does not cross the arena's end.
func (s *shape) padding(arena arenaPos, units uint64) uint64 {
	if at := uint64(arena) & (s.units - 1); at+units > s.units {
		return s.units - at
	}
	return 0
}

// refuse says why there is no room, for a tail and a head of one time.
func (s *shape) refuse(t, h uint64) error {
	if err := s.plausible(t, h); err != nil {
		return err
	}
	return ErrFull
}

// plausible returns an error if a tail and a head of one time contradict each other.
func (s *shape) plausible(t, h uint64) error {
	switch {
	case h&sealBit != 0:
		return corrupt(layout.PoisonHead, h, "head carries a seal")
	case s.slotsFrom(s.slotOf(h), s.slotOf(t)) > s.slots:
		return corrupt(layout.PoisonHead, h, "head is not within one lap of the tail")
	case s.unitsFrom(s.arenaOf(h), s.arenaOf(t)) > s.units:
		return corrupt(layout.PoisonHead, h, "arena head is not within one lap of the tail")
	}
	return nil
}

// Room is for a sender that waits: nil says that Reserve(n) is worth another try. Else
// ErrFull, ErrSealed, ErrTooBig or a *CorruptError. It changes nothing and may run
// beside Flush.
func (p *Producer) Room(n int) error {
	units, err := p.unitsFor(n)
	if err != nil {
		return err
	}
	for range maxRaces {
		t := p.tail.Load() // sync: tail
		if t&sealBit != 0 {
			return ErrSealed
		}
		fault.Point("ring.room.tail")
		h := p.head.Load() // sync: head
		if _, ok := p.fit(t, h, 1, units); ok {
			return nil
		}
		fault.Point("ring.room.full")
		if p.tail.Load() == t { // sync: tail
			return p.refuse(t, h)
		}
	}
	return ErrFull
}
