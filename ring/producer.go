package ring

import (
	"sync/atomic"
	"time"

	"shmring/futex"
	"shmring/internal/bulk"
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// countEvery is how many messages may be missing from the shared counters.
const countEvery = 256

// A Producer is the sending half for one place. It is not for concurrent use, and it
// has at most one outstanding reservation. Whoever uses it holds the place's lock.
type Producer struct {
	_ [layout.Line]byte // nobody else's words on our lines
	shape
	tail   *atomic.Uint64
	head   *atomic.Uint64
	intent *atomic.Uint64
	data   *layout.Event
	row    *layout.Participant

	// lastTail is what our own last CAS wrote, cachedHead a head loaded before it. The
	// cached head counts only while tail is still lastTail: then nobody moved the
	// tail since, so the true head lies between the two and the difference means what
	// it says. After somebody else's reservations, positions may have wrapped around
	// the cached one.
	lastTail   uint64
	cachedHead uint64

	open reservation

	messages uint64 // not yet in the shared row
	bytes    uint64
	wakes    uint64
	woken    uint64 // part of wakes that is in the shared row
	_        [layout.Line]byte
}

// NewProducer returns the sending half for a place. The caller has settled what a
// dead predecessor left in the place's row.
func (r *Ring) NewProducer(place int) *Producer {
	row := &r.rows[place]
	return &Producer{
		shape: r.shape, tail: r.tail, head: r.head, intent: &row.Intent,
		data: &r.ctl.Data, row: row,
		lastTail: sealBit, // no tail that we reserve at looks like this
	}
}

// Send puts one message into the ring. It returns nil once the message is committed,
// or ErrFull, ErrSealed, ErrTooBig, ErrPending, or a *CorruptError; then nothing was
// sent. It allocates nothing.
func (p *Producer) Send(b []byte) error {
	if p.open.active {
		return ErrPending
	}
	if len(b) > p.inlineMax {
		return p.sendLong(b)
	}
	t, err := p.claim(1, 0)
	if err != nil {
		return err
	}
	pos := p.slotOf(t)
	s := p.cell(pos)
	p.fetchAhead(pos, p.cachedHead)
	copy(s.bytes(p.payloadOff, len(b)), b)
	if p.stamped {
		p.stamp(s, b)
	}
	fault.Point("ring.send.filled")
	p.publish(s, p.commitWord(pos, layout.SlotInline, len(b)))
	p.count(1, len(b))
	return nil
}

// sendLong sends a message that does not fit into a slot.
func (p *Producer) sendLong(b []byte) error {
	buf, err := p.Reserve(len(b))
	if err != nil {
		return err
	}
	bulk.Copy(buf, b)
	return p.Commit(len(b))
}

// publish makes the slot visible and only then drops the intent: as long as a slot
// is reserved and not committed, its living owner's intent covers it. Our last claim
// on the slot ends with the store.
func (p *Producer) publish(s cell, w layout.Commit) {
	s.commit().Store(uint64(w)) // sync: commit
	fault.Point("ring.commit.stored")
	storeIntent(p.intent, 0) // sync: intent
	fault.Point("ring.commit.cleared")
	p.wake()
}

// wake wakes the consumer if it says that it sleeps. The store before is the fence:
// either we see its bit, or it sees our commit.
func (p *Producer) wake() {
	if futex.Signal(p.data, 1) {
		p.wakes++
	}
}

// Disown is for a sender that found no room: it clears an intent over slots of others, which
// only a recovery of a damaged intent leaves, or whoever damages. A hole among them would wait
// for this sender, and he for the room behind it.
func (p *Producer) Disown() {
	if !p.open.active {
		storeIntent(p.intent, 0) // sync: intent
	}
}

func (p *Producer) count(messages, bytes int) {
	p.messages += uint64(messages)
	p.bytes += uint64(bytes)
	if p.messages >= countEvery {
		p.Flush()
	}
}

// Flush brings the counters in the place's row up to date.
func (p *Producer) Flush() {
	if p.messages != 0 {
		p.row.Messages.Add(p.messages)
		p.row.Bytes.Add(p.bytes)
		p.row.ProgressNs.Store(time.Now().UnixNano())
		p.messages, p.bytes = 0, 0
	}
	if p.wakes != p.woken {
		p.row.Wakes.Add(p.wakes - p.woken)
		p.woken = p.wakes
	}
}

// Wakes returns how many wake-up system calls this producer has made.
func (p *Producer) Wakes() uint64 { return p.wakes }
