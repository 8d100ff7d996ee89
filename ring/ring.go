package ring

import (
	"math/bits"
	"sync/atomic"

	"shmring/internal/layout"
)

// shape is what a ring's geometry comes down to. It is computed once and copied into
// each half, so that a hot path finds everything on its own lines.
type shape struct {
	codec
	memory
	slots        uint64 // number of slots
	units        uint64 // arena units; zero without an arena
	lapShift     uint   // log2 of slots
	payloadOff   uint64 // byte offsets in a slot
	checksumOff  uint64 // zero if absent
	timestampOff uint64 // zero if absent
	inlineMax    int
	stamped      bool // checksums or timestamps
}

func newShape(v *layout.View) shape {
	arenaBits := uint(0)
	if v.ArenaUnits > 0 {
		arenaBits = uint(bits.TrailingZeros64(v.ArenaUnits)) + 1
	}
	return shape{
		codec:        newCodec(arenaBits),
		memory:       newMemory(v, uint8(bits.TrailingZeros32(v.SlotSize))),
		slots:        v.SlotCount,
		units:        v.ArenaUnits,
		lapShift:     v.SlotShift,
		payloadOff:   uint64(v.PayloadOff),
		checksumOff:  uint64(v.ChecksumOff),
		timestampOff: uint64(v.TimestampOff),
		inlineMax:    int(v.InlineMax),
		stamped:      v.ChecksumOff != 0 || v.TimestampOff != 0,
	}
}

// commitWord returns the commit word for the slot at pos.
func (s *shape) commitWord(pos slotPos, kind layout.SlotKind, length int) layout.Commit {
	return layout.NewCommit(uint64(pos)&s.slotMask, s.lapShift, kind, uint32(length))
}

// A Ring is the ring in one segment. It is immutable: any number of goroutines may
// use it at once. It is valid as long as the memory of its View is.
type Ring struct {
	shape
	tail   *atomic.Uint64
	head   *atomic.Uint64
	ctl    *layout.Control
	rows   []layout.Participant
	places int
}

// New returns the ring in v. It believes the geometry of v, which was checked, and
// nothing in its memory.
func New(v *layout.View) *Ring {
	return &Ring{
		shape:  newShape(v),
		tail:   &v.Control.Tail.V,
		head:   &v.Control.Head.V,
		ctl:    v.Control,
		rows:   v.Participants,
		places: len(v.Participants),
	}
}

// NewHeap returns a ring over Go heap memory: the same code where the race detector
// can see it. The memory lives as long as the Ring or the View does.
func NewHeap(p layout.Params) (*Ring, *layout.View, error) {
	g, err := layout.NewGeometry(p)
	if err != nil {
		return nil, nil, err
	}
	v, err := layout.Overlay(layout.HeapMemory(g.TotalSize), g)
	if err != nil {
		return nil, nil, err
	}
	r := New(v)
	r.Init(0, 0)
	return r, v, nil
}

// Init sets where an empty ring starts, before anybody else can see the segment.
// Both positions are masked; arena counts units. Tests start just below the wraps.
func (r *Ring) Init(slot, arena uint64) {
	w := r.pack(slotPos(slot), arenaPos(arena))
	r.head.Store(w)
	r.tail.Store(w)
}

// Tail returns the tail: where the next reservation goes, and whether one may.
func (r *Ring) Tail() Cursor { return r.decode(r.tail.Load()) } // sync: tail

// Head returns the published head: everything before it is free.
func (r *Ring) Head() Cursor { return r.decode(r.head.Load()) } // sync: head

// Ended reports whether the ring is sealed and its published head has reached the tail, by
// one look at the tail.
func (r *Ring) Ended() bool {
	head := r.head.Load() // sync: head
	t := r.tail.Load()    // sync: tail
	return t&sealBit != 0 && r.slotOf(head) == r.slotOf(t)
}

// Drained reports whether the published head has reached the tail. On a sealed ring
// that is final.
func (r *Ring) Drained() bool {
	head := r.head.Load()                            // sync: head
	return r.slotOf(head) == r.slotOf(r.tail.Load()) // sync: tail
}
