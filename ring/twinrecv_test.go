package ring

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"

	"shmring/internal/layout"
)

// receive is one Next, and Skip if that ends before a hole.
func (w *twin) receive() error {
	for w.next < len(w.slots) && w.slots[w.next].state == slotAbort {
		w.slots[w.next].freed = true
		w.next++
	}
	it, err := w.takeOrNext()
	if w.next == len(w.slots) {
		return w.nothing(err)
	}
	s := &w.slots[w.next]
	if s.state == slotOpen {
		if !errors.Is(err, ErrHole) {
			return fmt.Errorf("slot %d is a hole: %w", w.next, err)
		}
		return w.skip(s)
	}
	switch {
	case err != nil:
		return fmt.Errorf("slot %d is full: %w", w.next, err)
	case !bytes.Equal(it.Bytes, s.data):
		return fmt.Errorf("slot %d: %d bytes that are not the %d sent", w.next, len(it.Bytes),
			len(s.data))
	case it.Pos != w.rx0+uint64(w.next):
		return fmt.Errorf("slot %d: position %d", w.next, it.Pos)
	case s.seen && !it.Redelivered:
		return fmt.Errorf("slot %d comes again without saying so", w.next)
	}
	s.held, s.seen = it.Bytes, true
	if s.held == nil {
		s.held = []byte{}
	}
	w.next++
	return nil
}

// takeOrNext receives the next message, in the one way or the other.
func (w *twin) takeOrNext() (it Item, err error) {
	if w.s.below(2) == 0 {
		pos := w.rx.NextPos()
		data, n, ok := w.rx.Take()
		if ok {
			return Item{Bytes: unsafe.Slice(data, n), Pos: pos}, nil
		}
	}
	err = w.rx.Next(&it)
	return it, err
}

// nothing checks what Next said at the tail.
func (w *twin) nothing(err error) error {
	want := ErrEmpty
	if w.sealed {
		want = ErrEnd
	}
	if !errors.Is(err, want) {
		return fmt.Errorf("at the tail: %w, want %w", err, want)
	}
	if w.rx.Held() > 0 {
		return nil
	}
	if err := w.readHead(); err != nil {
		return err
	}
	if w.head != len(w.slots) || w.v.ArenaUnits > 0 && w.arenaH != w.tailUnits() {
		return fmt.Errorf("empty, nothing held, and head is %d of %d, arena %d of %d",
			w.head, len(w.slots), w.arenaH, w.tailUnits())
	}
	return nil
}

// skip settles the hole in front if its owner is dead.
func (w *twin) skip(s *twinSlot) error {
	owner := -1
	for _, x := range w.senders {
		if x.place == s.place && x.gen == s.gen && x.alive {
			owner = x.place
		}
	}
	got, err := w.rx.Skip(func(place int) bool {
		return w.senders[place-layout.PlaceFree].alive
	})
	if got != owner || err != nil {
		return fmt.Errorf("skip of slot %d: owner %d, %w, want %d", w.next, got, err, owner)
	}
	if owner < 0 {
		s.state = slotAbort
	}
	return nil
}

// release gives back one message that is held.
func (w *twin) release() error {
	var held []int
	for i := w.head; i < w.next; i++ {
		if w.slots[i].held != nil {
			held = append(held, i)
		}
	}
	if len(held) == 0 {
		if w.rx.Release(w.rx0 + uint64(w.next)) {
			return fmt.Errorf("released slot %d that was not received", w.next)
		}
		return nil
	}
	how := w.s.below(6)
	if how == 0 {
		return w.releaseSome(held)
	}
	i := held[0]
	if w.s.below(3) == 0 {
		i = held[w.s.below(len(held))]
	}
	release := w.rx.Release
	if how == 1 {
		release = w.rx.Spend
	}
	if err := w.releaseOne(i, release); err != nil || how != 1 {
		return err
	}
	if held[0] != i { // it cannot be passed yet, and must not come again
		w.slots[i].state = slotAbort
		return nil
	}
	if err := w.readHead(); err != nil {
		return err
	}
	if w.head <= i {
		return fmt.Errorf("slot %d is spent, and head is %d", i, w.head)
	}
	return nil
}

// releaseOne gives slot i back, and shows that it is.
func (w *twin) releaseOne(i int, release func(pos uint64) bool) error {
	if !release(w.rx0 + uint64(i)) {
		return fmt.Errorf("slot %d was held", i)
	}
	w.slots[i].held, w.slots[i].freed = nil, true
	if release(w.rx0 + uint64(i)) {
		return fmt.Errorf("slot %d released twice", i)
	}
	return nil
}

// releaseSome gives several back and settles that once.
func (w *twin) releaseSome(held []int) error {
	before := w.r.Head()
	for _, i := range held {
		if w.s.below(3) != 0 {
			if err := w.releaseOne(i, w.rx.ReleaseLater); err != nil {
				return err
			}
		}
	}
	if w.r.Head() != before {
		return errors.New("the head moved before the releases were settled")
	}
	w.rx.SettleReleases()
	return nil
}

// die kills a sender, maybe in the middle of a batch of which it has filled and
// committed any subset but the first.
func (w *twin) die(x *twinSender) error {
	if !x.alive {
		return w.reborn(x)
	}
	x.alive = false
	if x.open >= 0 {
		return nil
	}
	ps := make([][]byte, 1+w.s.below(int(min(w.v.SlotCount, 6))))
	units := 0
	for i := range ps {
		ps[i] = w.message()
		units += w.units(len(ps[i]))
	}
	if w.expect(len(ps), units) != nil {
		return nil //nolint:nilerr // no room for a batch to die in
	}
	t, err := x.p.claim(uint64(len(ps)), uint64(units))
	if err != nil {
		return err
	}
	w.pushBatch(x, slotOpen, ps, units)
	first := w.slots[len(w.slots)-len(ps):]
	arena := x.p.arenaOf(t)
	if units > 0 {
		arena += arenaPos(x.p.padding(arena, uint64(units)))
	}
	for i, b := range ps {
		pos, kind := x.p.slotOf(t)+slotPos(i), layout.SlotInline
		c := x.p.cell(pos)
		if u := w.units(len(b)); u == 0 {
			copy(c.bytes(x.p.payloadOff, len(b)), b)
		} else {
			kind = layout.SlotArena
			copy(x.p.refer(c, arena, uint64(u), len(b)), b)
			arena += arenaPos(u)
		}
		x.p.stamp(c, b)
		if i > 0 && w.s.below(2) == 0 {
			c.commitLater(uint64(x.p.commitWord(pos, kind, len(b))))
			first[i].state = slotFull
		}
	}
	return nil
}

// reborn puts a newcomer onto the place of a dead sender.
func (w *twin) reborn(x *twinSender) error {
	w.v.Participants[x.place].Intent.Store(0)
	x.p, x.alive, x.open, x.buf = w.r.NewProducer(x.place), true, -1, nil
	x.gen++
	return nil
}

// seal seals or unseals.
func (w *twin) seal() error {
	if w.sealed {
		w.sealed = false
		if !w.r.Unseal() || w.r.Unseal() {
			return errors.New("unseal does not say what it did")
		}
		return nil
	}
	if w.s.below(4) != 0 {
		return nil // most of the time there is something to send
	}
	w.sealed = true
	if !w.r.Seal() || w.r.Seal() {
		return errors.New("seal does not say what it did")
	}
	return nil
}

// takeover lets the receiver die and another one begin.
func (w *twin) takeover() error {
	var err error
	w.rx, err = w.r.NewConsumer(w.v.Control.Tail.V.Load() | sealBit)
	w.next = w.head
	w.rx0 = w.r.Head().Slot - uint64(w.head)
	for i := w.head; i < len(w.slots); i++ {
		w.slots[i].held, w.slots[i].freed = nil, false
	}
	return err
}

func (w *twin) flush() error {
	w.rx.Flush()
	if err := w.readHead(); err != nil {
		return err
	}
	if w.head < w.next && w.slots[w.head].freed {
		return fmt.Errorf("head %d after a flush, but it is released", w.head)
	}
	return nil
}
