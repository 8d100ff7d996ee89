package layout

import "sync/atomic"

// An event segment (KindEvent) has no ring. Its slots are buffers, EventPerPlace for each
// place, which only the holder of that place writes. The last value is in the buffer that
// the event word names; that word is Control.Tail.
//
//	event word    63  62                        10 9         0
//	              [0][ sequence                   ][ buffer  ]
//	header        63  62                        10 9 8  7    0
//	              [0][ sequence                   ][01][length]     0: being written
const (
	EventPerPlace  = 4   // buffers of each place
	EventSlotSize  = 256 // bytes of a buffer
	EventValueSize = 240 // bytes of the longest value

	eventIndexBits  = 10 // 256 places, 4 buffers each
	eventIndexMask  = 1<<eventIndexBits - 1
	eventWritten    = 1 << 8
	eventLengthMask = 1<<8 - 1

	// EventSeqMask masks a sequence: it has 53 bits.
	EventSeqMask = 1<<(63-eventIndexBits) - 1
)

// An EventBuffer holds one value of an event. It is a slot: its size and offsets are
// checked at compile time.
type EventBuffer struct {
	Header atomic.Uint64     // sequence and length; zero while it is written
	_      [8]byte           // reserved, zero
	Value  [30]atomic.Uint64 // the value's bytes, little-endian; undefined behind its length
}

// An EventWord is the sequence of an event and the buffer with its value.
type EventWord uint64

// NewEventWord packs an event word; seq is taken modulo EventSeqMask+1.
func NewEventWord(seq uint64, buffer int) EventWord {
	return EventWord(seq&EventSeqMask<<eventIndexBits | uint64(buffer)&eventIndexMask)
}

// Seq returns the sequence.
func (w EventWord) Seq() uint64 { return uint64(w) >> eventIndexBits & EventSeqMask }

// Buffer returns the index of the buffer, unchecked.
func (w EventWord) Buffer() int { return int(w & eventIndexMask) }

// Reserved returns the bits that must be zero.
func (w EventWord) Reserved() uint64 { return uint64(w) >> 63 }

// An EventHeader is the first word of an EventBuffer.
type EventHeader uint64

// NewEventHeader packs the header of a buffer that holds the value of seq.
func NewEventHeader(seq uint64, length int) EventHeader {
	return EventHeader(seq&EventSeqMask<<eventIndexBits | eventWritten |
		uint64(length)&eventLengthMask)
}

// Length returns the length of the value in bytes, unchecked.
func (h EventHeader) Length() int { return int(h & eventLengthMask) }

// EventParams returns what the geometry of an event for so many places has to be.
func EventParams(places, options uint32) Params {
	slots := uint64(EventPerPlace)
	for slots < uint64(places)*EventPerPlace {
		slots *= 2
	}
	return Params{
		Kind: KindEvent, RingKind: RingNone, SlotCount: slots, SlotSize: EventSlotSize,
		MaxParticipants: places, Options: options,
	}
}
