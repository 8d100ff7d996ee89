package layout

// A slot is a commit word, then the checksum and the timestamp if the segment has
// them, then the payload or a reference to it. Nothing a sender writes as payload
// ever lies on a commit word, so no payload can be mistaken for one.
//
// Commit word:
//
//	63        38 37   36 35      28 27          0
//	[ lap tag   ][ kind ][ reserved ][  length   ]
//
// The lap tag is the slot position divided by the number of slots, cut to 26
// bits. Kind 0 means uncommitted under any tag. Reserved bits are zero.
//
// Reference:
//
//	63                     32 31                0
//	[ reserved arena units   ][ arena position  ]
const (
	CommitSize = 8

	lengthBits = 28
	kindShift  = 36
	lapShift   = 38
	lapMask    = 1<<(64-lapShift) - 1

	// MaxLength is the longest payload that a commit word can express.
	MaxLength = 1<<lengthBits - 1
)

// A SlotKind says what a committed slot holds.
type SlotKind uint8

// Kinds of slot.
const (
	SlotNone    SlotKind = 0 // not committed
	SlotInline  SlotKind = 1 // payload inside the slot
	SlotArena   SlotKind = 2 // reference to the arena
	SlotAborted SlotKind = 3 // nothing to deliver
)

// A Commit is the decoded commit word of a slot.
type Commit uint64

// NewCommit packs a commit word for the slot at the given position.
func NewCommit(pos uint64, slotShift uint, kind SlotKind, length uint32) Commit {
	return Commit(pos>>slotShift<<lapShift | uint64(kind)<<kindShift | uint64(length))
}

// Kind returns what the slot holds.
func (c Commit) Kind() SlotKind { return SlotKind(c >> kindShift & 3) }

// Length returns the payload's length in bytes.
func (c Commit) Length() uint32 { return uint32(c & MaxLength) }

// Reserved returns the bits that must be zero.
func (c Commit) Reserved() uint8 { return uint8(c >> lengthBits) }

// SameLap reports whether c was written for the slot position pos.
func (c Commit) SameLap(pos uint64, slotShift uint) bool {
	return uint64(c)>>lapShift == pos>>slotShift&lapMask
}

// A Reference says where in the arena a payload is.
type Reference uint64

// NewReference packs the arena position and the reserved length, both in units.
func NewReference(pos, units uint32) Reference { return Reference(uint64(units)<<32 | uint64(pos)) }

// Pos returns the arena position in units, unchecked.
func (r Reference) Pos() uint32 { return uint32(r) }

// Units returns the reserved length in units, unchecked.
func (r Reference) Units() uint32 { return uint32(r >> 32) }
