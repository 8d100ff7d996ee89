package channel_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"shmring/channel"
)

// within reports whether all of b, and what it could grow into, lies in mem.
func within(mem, b []byte) bool {
	base, at := uintptr(unsafe.Pointer(unsafe.SliceData(mem))),
		uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return at >= base && at-base+uintptr(cap(b)) <= uintptr(len(mem))
}

// inPlace is inside for what is handed out in place: it lies in the slots or in the arena, or
// is nothing.
func (p *party) inPlace(ch *channel.Channel, b []byte) {
	if v := ch.View(); cap(b) > 0 && !within(v.Slots, b) && !within(v.Arena, b) {
		p.h.fail("%d bytes, of at most %d, that lie outside of the slots and the arena",
			len(b), cap(b))
	}
	p.inside(ch, b)
}

func TestWithinTellsWhatLiesOutside(t *testing.T) {
	all := make([]byte, 100)
	mem := all[10:50:50]
	for from := range all {
		for to := from + 1; to <= len(all); to++ {
			require.Equal(t, from >= 10 && to <= 50, within(mem, all[from:to:to]))
		}
	}
	require.False(t, within(all[10:50], all[10:20]), "it could grow beyond")
}
