package layout

import (
	"fmt"
	"unsafe"
)

// The offsets of an EventBuffer, checked at compile time.
var (
	_ = [1]byte{}[unsafe.Sizeof(EventBuffer{})-EventSlotSize]
	_ = [1]byte{}[unsafe.Offsetof(EventBuffer{}.Value)-16]
	_ = [1]byte{}[unsafe.Sizeof(EventBuffer{}.Value)-EventValueSize]
)

// EventBuffers returns the buffers of an event segment. It fails if the geometry is not
// that of an event.
func (v *View) EventBuffers() ([]EventBuffer, error) {
	if want := EventParams(v.MaxParticipants, v.Options); v.Params != want {
		return nil, fmt.Errorf("%w: an event for %d places has %d slots of %d bytes and no arena, "+
			"this one has %d of %d and an arena of %d", ErrInvalid, v.MaxParticipants,
			want.SlotCount, want.SlotSize, v.SlotCount, v.SlotSize, v.ArenaSize)
	}
	return unsafe.Slice((*EventBuffer)(unsafe.Pointer(unsafe.SliceData(v.Slots))),
		v.SlotCount), nil
}
