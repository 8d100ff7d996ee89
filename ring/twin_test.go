package ring

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"shmring/internal/layout"
)

// A script is where a twin run takes its decisions from: random bytes, or those of a
// fuzzer.
type script struct{ b []byte }

// below returns a number from 0 to n-1, zero at the end of the script.
func (s *script) below(n int) int {
	if n <= 1 || len(s.b) == 0 {
		return 0
	}
	v := int(s.b[0])
	s.b = s.b[1:]
	if n > 256 && len(s.b) > 0 {
		v = v<<8 | int(s.b[0])
		s.b = s.b[1:]
	}
	return v % n
}

// slotState is what the twin knows about a slot.
type slotState uint8

const (
	slotOpen slotState = iota // reserved, not committed
	slotFull
	slotAbort
)

// A twinSlot is one slot that was ever reserved.
type twinSlot struct {
	state slotState
	place int // who reserved it
	gen   int // which holder of that place
	data  []byte
	start int // arena units reserved before it
	end   int // and with it
	held  []byte
	freed bool // released, or passed because aborted
	seen  bool // handed out by an earlier consumer
}

// A twinSender is a producer and what the twin knows about it.
type twinSender struct {
	p     *Producer
	place int
	gen   int
	alive bool
	open  int // slot of the outstanding reservation, -1 if none
	buf   []byte
}

// A twin is the slow obvious ring: a slice of every slot there ever was. It does to
// the fast ring what its script says, and compares after every step. Only the
// published head is taken from the ring, whose choice it is within limits.
type twin struct {
	s       *script
	r       *Ring
	v       *layout.View
	rx      *Consumer
	senders []*twinSender
	slots   []twinSlot
	slot0   uint64 // positions at the start
	arena0  uint64
	rx0     uint64 // position of slot 0 in the running positions of this receiver
	next    int    // slot to be received next
	head    int    // slots published
	arenaH  int    // arena units published
	sealed  bool
	count   int // messages sent, for their content
	log     []string
}

func newTwin(p layout.Params, slot, arena uint64, senders int, s *script) (*twin, error) {
	r, v, err := NewHeap(p)
	if err != nil {
		return nil, err
	}
	r.Init(slot, arena)
	w := &twin{s: s, r: r, v: v, slot0: r.Head().Slot, arena0: r.Head().Arena}
	w.rx0 = w.slot0
	for i := range senders {
		place := layout.PlaceFree + i
		w.senders = append(w.senders, &twinSender{
			p: r.NewProducer(place), place: place, alive: true, open: -1,
		})
	}
	w.rx, err = r.NewConsumer(0)
	return w, err
}

// run does steps until the script ends.
func (w *twin) run() error {
	for len(w.s.b) > 0 {
		if err := w.step(); err != nil {
			tail := w.log[max(0, len(w.log)-40):]
			return fmt.Errorf("%w\nlast steps: %q", err, tail)
		}
	}
	return nil
}

func (w *twin) step() error {
	x := w.senders[w.s.below(len(w.senders))]
	op := w.s.below(32)
	if !x.alive && op < 14 {
		return w.named("reborn", x, w.reborn(x))
	}
	switch {
	case op < 5:
		return w.named("send", x, w.send(x))
	case op < 8:
		return w.named("reserve", x, w.reserve(x))
	case op < 10:
		return w.named("commit", x, w.commit(x))
	case op < 11:
		return w.named("abort", x, w.abort(x))
	case op < 14:
		return w.named("batch", x, w.batch(x))
	case op < 22:
		return w.named("next", x, w.receive())
	case op < 28:
		return w.named("release", x, w.release())
	case op < 29:
		return w.named("die", x, w.die(x))
	case op < 30:
		return w.named("seal", x, w.seal())
	case op < 31:
		return w.named("takeover", x, w.takeover())
	}
	return w.named("flush", x, w.flush())
}

func (w *twin) named(op string, x *twinSender, err error) error {
	w.log = append(w.log, fmt.Sprintf("%s %d (next %d)", op, x.place, w.next))
	if err == nil {
		err = w.compare()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// tailUnits returns how many arena units were ever reserved.
func (w *twin) tailUnits() int {
	if len(w.slots) == 0 {
		return 0
	}
	return w.slots[len(w.slots)-1].end
}

// units returns how many arena units a message takes.
func (w *twin) units(n int) int {
	if n <= int(w.v.InlineMax) {
		return 0
	}
	return (n + layout.ArenaUnit - 1) / layout.ArenaUnit
}

// pad returns how many units a run skips before the arena's end.
func (w *twin) pad(units int) int {
	all := int(w.v.ArenaUnits)
	if units == 0 {
		return 0
	}
	if at := (int(w.arena0) + w.tailUnits()) % all; at+units > all {
		return all - at
	}
	return 0
}

// expect returns the error that reserving n slots with units must give.
func (w *twin) expect(n, units int) error {
	switch {
	case units > int(w.v.ArenaUnits)/2:
		return ErrTooBig
	case w.sealed:
		return ErrSealed
	case len(w.slots)-w.head+n > int(w.v.SlotCount):
		return ErrFull
	case units > 0 && w.tailUnits()-w.arenaH+w.pad(units)+units > int(w.v.ArenaUnits):
		return ErrFull
	}
	return nil
}

// push notes a reservation of one slot.
func (w *twin) push(x *twinSender, state slotState, data []byte, units, pad int) {
	start := w.tailUnits()
	w.slots = append(w.slots, twinSlot{
		state: state, place: x.place, gen: x.gen, data: data,
		start: start, end: start + pad + units,
	})
}

// message returns a message of some size that can be told from others.
func (w *twin) message() []byte {
	sizes := []int{
		0, 1, int(w.v.InlineMax) - 1, int(w.v.InlineMax), int(w.v.InlineMax) + 1, 64, 65,
		w.v.MaxMessage() - 1, w.v.MaxMessage(), w.v.MaxMessage() + 1,
	}
	n := w.s.below(w.v.MaxMessage() + 1)
	if i := w.s.below(len(sizes) + 6); i < len(sizes) {
		n = sizes[i]
	}
	w.count++
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.count + i*7)
	}
	return b
}

func (w *twin) send(x *twinSender) error {
	b := w.message()
	want := w.expect(1, w.units(len(b)))
	if x.open >= 0 {
		want = ErrPending
	}
	if err := x.p.Send(b); !errors.Is(err, want) {
		return fmt.Errorf("%d bytes: %w, want %w", len(b), err, want)
	}
	if want == nil {
		u := w.units(len(b))
		w.push(x, slotFull, b, u, w.pad(u))
	}
	return nil
}

func (w *twin) reserve(x *twinSender) error {
	b := w.message()
	want := w.expect(1, w.units(len(b)))
	if x.open >= 0 {
		want = ErrPending
	}
	buf, err := x.p.Reserve(len(b))
	if !errors.Is(err, want) {
		return fmt.Errorf("%d bytes: %w, want %w", len(b), err, want)
	}
	if want != nil {
		return nil //nolint:nilerr // it had to be refused
	}
	if len(buf) != len(b) || cap(buf) != len(b) {
		return fmt.Errorf("buffer of %d, cap %d, want %d", len(buf), cap(buf), len(b))
	}
	u := w.units(len(b))
	w.push(x, slotOpen, b, u, w.pad(u))
	x.open, x.buf = len(w.slots)-1, buf
	return nil
}

func (w *twin) commit(x *twinSender) error {
	if x.open < 0 {
		if err := x.p.Commit(0); !errors.Is(err, ErrNotPending) {
			return fmt.Errorf("without a reservation: %w", err)
		}
		return nil
	}
	slot := &w.slots[x.open]
	if err := x.p.Commit(len(slot.data) + 1); !errors.Is(err, ErrTooBig) {
		return fmt.Errorf("of more than reserved: %w", err)
	}
	copy(x.buf, slot.data)
	slot.data = slot.data[:w.s.below(len(slot.data)+1)]
	slot.state = slotFull
	x.open, x.buf = -1, nil
	return x.p.Commit(len(slot.data))
}

func (w *twin) abort(x *twinSender) error {
	x.p.Abort()
	if x.open >= 0 {
		w.slots[x.open].state = slotAbort
		x.open, x.buf = -1, nil
	}
	return nil
}

func (w *twin) batch(x *twinSender) error {
	ps := make([][]byte, w.s.below(int(min(w.v.SlotCount, 40))+2))
	for i := range ps {
		ps[i] = w.message()
	}
	n, units := 0, 0
	var want error
	switch {
	case x.open >= 0:
		want = ErrPending
	case len(ps) == 0:
	default:
		for n < len(ps) {
			u := w.units(len(ps[n]))
			if err := w.expect(n+1, units+u); err != nil {
				want = err
				break
			}
			units += u
			n++
		}
		if n > 0 {
			want = nil
		}
	}
	got, err := x.p.SendBatch(ps)
	if got != n || !errors.Is(err, want) {
		return fmt.Errorf("%d of %d, %w, want %d, %w", got, len(ps), err, n, want)
	}
	w.pushBatch(x, slotFull, ps[:n], units)
	return nil
}

// pushBatch notes a reservation of one slot for each message.
func (w *twin) pushBatch(x *twinSender, state slotState, ps [][]byte, units int) {
	pad := w.pad(units)
	for _, b := range ps {
		if u := w.units(len(b)); u > 0 {
			w.push(x, state, b, u, pad)
			pad = 0 // once, before the whole run
		} else {
			w.push(x, state, b, 0, 0)
		}
	}
}

// compare checks everything that must hold after every step.
func (w *twin) compare() error {
	if err := w.readHead(); err != nil {
		return err
	}
	t := w.r.Tail()
	slot := (w.slot0 + uint64(len(w.slots))) & w.r.slotMask
	arena := (w.arena0 + uint64(w.tailUnits())) & w.r.arenaMask
	if t.Slot != slot || t.Arena != arena || t.Sealed != w.sealed {
		return fmt.Errorf("tail %+v, want %d, %d, %v", t, slot, arena, w.sealed)
	}
	held, full := 0, uint64(0)
	for i := w.head; i < len(w.slots); i++ {
		s := &w.slots[i]
		if s.held != nil {
			held++
			if !bytes.Equal(s.held, s.data) {
				return fmt.Errorf("message %d changed in the hands of the receiver", i)
			}
		}
		if s.state == slotFull {
			full++
		}
	}
	if n := w.rx.Held(); n != held {
		return fmt.Errorf("held %d, want %d", n, held)
	}
	if n := w.rx.Len(); n != len(w.slots)-w.next {
		return fmt.Errorf("len %d, want %d", n, len(w.slots)-w.next)
	}
	if n, err := w.r.Unread(); err != nil || n != full {
		return fmt.Errorf("unread %d, %w, want %d", n, err, full)
	}
	if n, err := w.r.Depth(); err != nil || n != uint64(len(w.slots)-w.head) {
		return fmt.Errorf("depth %d, %w, want %d", n, err, len(w.slots)-w.head)
	}
	if n := w.r.ArenaUsed(); n != uint64(w.tailUnits()-w.arenaH)*layout.ArenaUnit {
		return fmt.Errorf("arena used %d, want %d units", n, w.tailUnits()-w.arenaH)
	}
	return w.r.Check()
}

// readHead takes the published head from the ring and checks it against the slots.
func (w *twin) readHead() error {
	h := w.r.Head()
	head := w.head + int((h.Slot-w.slot0-uint64(w.head))&w.r.slotMask)
	arena := w.arenaH + int((h.Arena-w.arena0-uint64(w.arenaH))&w.r.arenaMask)
	prefix := slices.IndexFunc(w.slots[w.head:], func(s twinSlot) bool { return !s.freed })
	released := w.head + prefix
	if prefix < 0 {
		released = len(w.slots)
	}
	safe := w.tailUnits() // the arena before it holds nothing that somebody uses
	known := w.arenaH     // the arena before it is known to be free
	for i := w.head; i < released; i++ {
		if s := &w.slots[i]; s.state == slotFull && s.end > s.start { // aborted ones tell nothing
			known = w.slots[i].end
		}
	}
	if released < len(w.slots) {
		safe = w.slots[released].start
	}
	switch {
	case head > released:
		return fmt.Errorf("head %d beyond what is released, %d", head, released)
	case arena > safe:
		return fmt.Errorf("arena head %d beyond what is released, %d", arena, safe)
	case released-head >= max(1, min(32, int(w.v.SlotCount)/8)):
		return fmt.Errorf("head %d too far behind what is released, %d", head, released)
	case w.v.ArenaUnits > 0 && known-arena >= int(w.v.ArenaUnits)/8:
		return fmt.Errorf("arena head %d too far behind what is released, %d", arena, known)
	}
	w.head, w.arenaH = head, arena
	return nil
}
