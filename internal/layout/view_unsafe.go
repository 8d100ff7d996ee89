package layout

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// Sizes of the structs, taken from the structs.
const (
	HeaderSize      = uint64(unsafe.Sizeof(Header{}))
	ControlSize     = uint64(unsafe.Sizeof(Control{}))
	ParticipantSize = uint64(unsafe.Sizeof(Participant{}))
	DeathSize       = uint64(unsafe.Sizeof(Death{}))
)

// The offsets that other programs rely on, checked at compile time: a wrong one
// makes an array index negative or out of range.
var (
	_ = [1]byte{}[HeaderSize-PageSize]
	_ = [1]byte{}[unsafe.Offsetof(Header{}.Magic)-0]
	_ = [1]byte{}[unsafe.Offsetof(Header{}.Version)-8]
	_ = [1]byte{}[unsafe.Offsetof(Header{}.TotalSize)-16]
	_ = [1]byte{}[unsafe.Offsetof(Header{}.LockBase)-24]
	_ = [1]byte{}[unsafe.Offsetof(Header{}.Fingerprint)-32]
	_ = [1]byte{}[unsafe.Offsetof(Header{}.Kind)-64]
	_ = [1]byte{}[unsafe.Offsetof(Header{}.SlotCount)-72]
	_ = [1]byte{}[unsafe.Offsetof(Header{}.ArenaSize)-88]
	_ = [1]byte{}[unsafe.Offsetof(Header{}.Instance)-104]
	_ = [1]byte{}[unsafe.Offsetof(Header{}.Checksum)-(PageSize-8)]

	_ = [1]byte{}[unsafe.Sizeof(Event{})-Line]
	_ = [1]byte{}[unsafe.Sizeof(Poison{})-Line]
	_ = [1]byte{}[unsafe.Sizeof(Totals{})-Line]
	_ = [1]byte{}[unsafe.Sizeof(Holder{})-Line]
	_ = [1]byte{}[unsafe.Sizeof(Transition{})-256]
	_ = [1]byte{}[unsafe.Sizeof(Dependency{})-256]
	_ = [1]byte{}[unsafe.Sizeof(Plan{})-256]
	_ = [1]byte{}[ParticipantSize-256]
	_ = [1]byte{}[DeathSize-64]
	_ = [1]byte{}[unsafe.Offsetof(Participant{}.Intent)-Line]
	_ = [1]byte{}[unsafe.Offsetof(Control{}.Tail)-1*Line]
	_ = [1]byte{}[unsafe.Offsetof(Control{}.Head)-2*Line]
	_ = [1]byte{}[unsafe.Offsetof(Control{}.Data)-3*Line]
	_ = [1]byte{}[unsafe.Offsetof(Control{}.Space)-4*Line]
	_ = [1]byte{}[unsafe.Offsetof(Control{}.Transitions)-10*Line]
	_ = [1]byte{}[unsafe.Offsetof(Control{}.Depends)-26*Line]
	_ = [1]byte{}[unsafe.Offsetof(Control{}.Plan)-58*Line]
)

// A View is typed access to the bytes of one segment. It is valid as long as the
// memory is; it owns nothing.
type View struct {
	Geometry
	Control      *Control
	Participants []Participant
	Deaths       *[DeathCount]Death
	Slots        []byte
	Arena        []byte
	mem          []byte
}

// Overlay puts a View over mem, which holds a segment of geometry g. It checks
// size and alignment only; it believes nothing that is in mem.
func Overlay(mem []byte, g Geometry) (*View, error) {
	if uint64(len(mem)) != g.TotalSize || g.TotalSize == 0 {
		return nil, fmt.Errorf("%w: %d bytes of memory for a segment of %d",
			ErrInvalid, len(mem), g.TotalSize)
	}
	base := unsafe.Pointer(unsafe.SliceData(mem))
	if uintptr(base)%Line != 0 {
		return nil, fmt.Errorf("%w: memory is not aligned to %d bytes", ErrInvalid, Line)
	}
	v := &View{
		Geometry: g,
		Control:  (*Control)(unsafe.Add(base, ControlOff)),
		Participants: unsafe.Slice((*Participant)(unsafe.Add(base, g.ParticipantsOff)),
			g.MaxParticipants),
		Deaths: (*[DeathCount]Death)(unsafe.Add(base, g.DeathsOff)),
		Slots:  mem[g.SlotsOff : g.SlotsOff+g.SlotCount*uint64(g.SlotSize)],
		Arena:  mem[g.ArenaOff:],
		mem:    mem,
	}
	return v, nil
}

// Word returns the 64-bit word at byte off of mem. It panics if the word is not
// inside mem or not aligned: offsets are our own, never a peer's.
func Word(mem []byte, off uint64) *atomic.Uint64 {
	_ = mem[off : off+8]
	p := unsafe.Add(unsafe.Pointer(unsafe.SliceData(mem)), off)
	if uintptr(p)%8 != 0 {
		panic("layout: word is not aligned")
	}
	return (*atomic.Uint64)(p)
}

// HeapMemory returns n zeroed bytes of Go heap, aligned like a mapping, for
// running the same code where the race detector can see it.
func HeapMemory(n uint64) []byte {
	buf := make([]byte, n+PageSize)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(buf))) % PageSize
	return buf[skip : uint64(skip)+n : uint64(skip)+n]
}
