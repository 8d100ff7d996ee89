package layout

import (
	"errors"
	"fmt"
	"math/bits"
)

// ErrInvalid is wrapped by every error about bytes or parameters that cannot be a
// segment of this version.
var ErrInvalid = errors.New("invalid layout")

// Params are the free choices of a segment.
type Params struct {
	Kind            uint32 // KindChannel or KindEvent
	RingKind        uint32 // RingSPSC or RingMPSC
	SlotCount       uint64 // power of two, 1 to MaxSlots
	SlotSize        uint32 // bytes, power of two, MinSlotSize to MaxSlotSize
	MaxParticipants uint32 // MinParticipants to MaxParticipants
	ArenaSize       uint64 // bytes, zero or a power of two, MinArena to MaxArena
	Options         uint32 // Opt bits
}

// Geometry is Params together with everything that follows from them. It is
// computed once, from checked values, into private memory.
type Geometry struct {
	Params
	ParticipantsOff uint64 // bytes from the start of the segment
	DeathsOff       uint64
	SlotsOff        uint64
	ArenaOff        uint64
	TotalSize       uint64
	SlotShift       uint // log2 of SlotCount
	ArenaUnits      uint64
	ChecksumOff     uint32 // in a slot; zero if absent
	TimestampOff    uint32 // in a slot; zero if absent
	PayloadOff      uint32 // in a slot: first byte of inline payload or reference
	InlineMax       uint32 // bytes of payload that fit into a slot
}

// ControlOff is where Control starts.
const ControlOff = PageSize

// NewGeometry checks p and computes where everything is.
func NewGeometry(p Params) (Geometry, error) {
	if err := p.check(); err != nil {
		return Geometry{}, err
	}
	g := Geometry{Params: p, ArenaUnits: p.ArenaSize / ArenaUnit}
	g.ParticipantsOff = alignUp(ControlOff+ControlSize, PageSize)
	g.DeathsOff = g.ParticipantsOff + uint64(p.MaxParticipants)*ParticipantSize
	g.SlotsOff = alignUp(g.DeathsOff+DeathCount*DeathSize, PageSize)
	g.ArenaOff = alignUp(g.SlotsOff+p.SlotCount*uint64(p.SlotSize), PageSize)
	g.TotalSize = g.ArenaOff + p.ArenaSize
	g.SlotShift = uint(bits.TrailingZeros64(p.SlotCount))
	off := uint32(CommitSize)
	if p.Options&OptChecksums != 0 {
		g.ChecksumOff, off = off, off+8
	}
	if p.Options&OptTimestamps != 0 {
		g.TimestampOff, off = off, off+8
	}
	g.PayloadOff = off
	g.InlineMax = p.SlotSize - off
	return g, nil
}

// MaxMessage returns the largest payload in bytes: half the arena, or what a slot
// holds if there is no arena.
func (g Geometry) MaxMessage() int {
	if half := int(g.ArenaSize / 2); half > int(g.InlineMax) {
		return half
	}
	return int(g.InlineMax)
}

func (p Params) check() error {
	switch {
	case p.Kind != KindChannel && p.Kind != KindEvent:
		return fmt.Errorf("%w: kind %d is neither channel (1) nor event (2)", ErrInvalid, p.Kind)
	case p.Options&^uint32(optKnown) != 0:
		return fmt.Errorf("%w: unknown option bits %#x", ErrInvalid, p.Options&^uint32(optKnown))
	case p.MaxParticipants < MinParticipants || p.MaxParticipants > MaxParticipants:
		return fmt.Errorf("%w: %d participants, want %d to %d",
			ErrInvalid, p.MaxParticipants, MinParticipants, MaxParticipants)
	}
	if err := p.checkRing(); err != nil {
		return err
	}
	if p.ArenaSize == 0 {
		return nil
	}
	if !powerOfTwo(p.ArenaSize) || p.ArenaSize < MinArena || p.ArenaSize > MaxArena {
		return fmt.Errorf("%w: arena of %d bytes, want 0 or a power of two from %d to %d",
			ErrInvalid, p.ArenaSize, MinArena, MaxArena)
	}
	return nil
}

func (p Params) checkRing() error {
	if p.Kind == KindEvent && p.RingKind != RingNone || p.Kind == KindChannel &&
		p.RingKind != RingSPSC && p.RingKind != RingMPSC {
		return fmt.Errorf("%w: ring kind %d does not fit segment kind %d",
			ErrInvalid, p.RingKind, p.Kind)
	}
	if !powerOfTwo(p.SlotCount) || p.SlotCount > MaxSlots {
		return fmt.Errorf("%w: %d slots, want a power of two up to %d",
			ErrInvalid, p.SlotCount, MaxSlots)
	}
	size := uint64(p.SlotSize)
	if !powerOfTwo(size) || size < MinSlotSize || size > MaxSlotSize {
		return fmt.Errorf("%w: slots of %d bytes, want a power of two from %d to %d",
			ErrInvalid, p.SlotSize, MinSlotSize, MaxSlotSize)
	}
	need := uint64(CommitSize + 8) // commit word and a reference
	if p.Options&OptChecksums != 0 {
		need += 8
	}
	if p.Options&OptTimestamps != 0 {
		need += 8
	}
	if size < need {
		return fmt.Errorf("%w: slots of %d bytes, want at least %d with these options",
			ErrInvalid, p.SlotSize, need)
	}
	return nil
}

func powerOfTwo(n uint64) bool { return n != 0 && n&(n-1) == 0 }

func alignUp(n, to uint64) uint64 { return (n + to - 1) &^ (to - 1) }
