package ring

import (
	"sync/atomic"
	"unsafe"

	"shmring/internal/layout"
)

// memory is where the slots and the arena are. It is the only place that turns an
// index into an address.
//
// Why no access can leave the segment: layout.Overlay has checked that the segment
// holds slotCount cells of 1<<sizeShift bytes from slots on, and arenaBytes from
// arena on. cell masks its position by slotCount-1, so a cell lies inside. A caller
// of cell.bytes has checked off+n against the slot size, where off is a constant of
// the geometry; a caller of arenaBytes has checked the run against the arena.
type memory struct {
	slots     unsafe.Pointer
	arena     unsafe.Pointer
	indexMask uint64
	sizeShift uint8 // log2 of the slot size
}

func newMemory(v *layout.View, sizeShift uint8) memory {
	return memory{
		slots:     unsafe.Pointer(unsafe.SliceData(v.Slots)),
		arena:     unsafe.Pointer(unsafe.SliceData(v.Arena)),
		indexMask: v.SlotCount - 1,
		sizeShift: sizeShift,
	}
}

// A cell is one slot in memory.
type cell struct{ base unsafe.Pointer }

// index returns which slot of the memory a position is.
func (m *memory) index(pos slotPos) slotIndex { return slotIndex(uint64(pos) & m.indexMask) }

func (m *memory) cell(pos slotPos) cell {
	return cell{unsafe.Add(m.slots, uint64(m.index(pos))<<(m.sizeShift&63))}
}

// commit returns the cell's commit word.
func (s cell) commit() *atomic.Uint64 { return (*atomic.Uint64)(s.base) }

// bytes returns n bytes of the cell from byte off on. The caller has checked that
// they lie inside; slot bytes are the owner's until the commit word is stored, the
// consumer's from then until the head has passed.
func (s cell) bytes(off uint64, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(s.base, off)), n)
}

// word returns the eight bytes of the cell at byte off. They belong to whoever owns
// the slot, as payload does; a consumer still loads them once and atomically, so that
// what it checks is what it uses.
func (s cell) word(off uint64) *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Add(s.base, off)) }

// set stores to a word of a cell that is ours: a plain store, published by the commit
// word that follows it.
func (s cell) set(off, w uint64) { *(*uint64)(unsafe.Add(s.base, off)) = w }

// arenaBytes returns n bytes of the arena from the given unit on. The caller has
// checked that unit*layout.ArenaUnit+n is inside the arena.
func (m *memory) arenaBytes(unit uint64, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(m.arena, unit*layout.ArenaUnit)), n)
}
