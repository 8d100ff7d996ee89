package ring

// Three kinds of number that must never be mixed.
type (
	// slotPos is a running slot position: it only grows, and the word in memory holds
	// its low bits.
	slotPos uint64
	// arenaPos is a running arena position in units of layout.ArenaUnit bytes.
	arenaPos uint64
	// slotIndex is the number of a slot in memory, less than the number of slots.
	slotIndex uint64
)

// sealBit marks a tail that accepts nothing any more. In a head it is always zero.
const sealBit = 1 << 63

// A Cursor is a decoded tail or head word. Both positions are the masked values of
// their fields.
type Cursor struct {
	Slot   uint64 // slot position
	Arena  uint64 // arena position in units
	Sealed bool   // tail only
}

// codec packs and unpacks the words
//
//	63     62                    arenaBits              0
//	[ seal ][ slot position       ][ arena position      ]
//
// Every field is masked before it is put in, so a carry of one never reaches the
// next. Differences are modular. The arena field counts to twice the arena, so that
// a full arena and an empty one differ.
type codec struct {
	slotMask  uint64 // of the field, shifted down
	arenaMask uint64
	arenaBits uint8
}

func newCodec(arenaBits uint) codec {
	return codec{
		slotMask:  1<<(63-arenaBits) - 1,
		arenaMask: 1<<arenaBits - 1,
		arenaBits: uint8(arenaBits),
	}
}

// pack masks both positions and returns their word without a seal.
func (c *codec) pack(slot slotPos, arena arenaPos) uint64 {
	return uint64(slot)&c.slotMask<<(c.arenaBits&63) | uint64(arena)&c.arenaMask
}

// slotOf returns the slot position in w.
func (c *codec) slotOf(w uint64) slotPos {
	return slotPos(w >> (c.arenaBits & 63) & c.slotMask)
}

// arenaOf returns the arena position in w.
func (c *codec) arenaOf(w uint64) arenaPos { return arenaPos(w & c.arenaMask) }

// slotsFrom returns how many slots lie from a to b.
func (c *codec) slotsFrom(a, b slotPos) uint64 { return uint64(b-a) & c.slotMask }

// unitsFrom returns how many arena units lie from a to b.
func (c *codec) unitsFrom(a, b arenaPos) uint64 { return uint64(b-a) & c.arenaMask }

func (c *codec) decode(w uint64) Cursor {
	return Cursor{
		Slot: uint64(c.slotOf(w)), Arena: uint64(c.arenaOf(w)), Sealed: w&sealBit != 0,
	}
}
