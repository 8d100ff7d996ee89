package ring

import (
	"unsafe"

	"shmring/internal/layout"
)

// Take is Next for the usual case and nothing else: the next slot holds a message inside,
// without a stamp, that was not delivered before. It returns where the message is and its
// length; its position is NextPos before the call. It reports false in every other case,
// for Next to tell which, and looks at nothing but the slot.
func (c *Consumer) Take() (data *byte, n int, ok bool) {
	next := c.next
	if uint64(next-c.head) >= c.window || c.stamped || next < c.redeliver {
		return nil, 0, false
	}
	s := c.cell(next)
	w := s.commit().Load() // sync: commit
	length := w ^ uint64(c.commitWord(next, layout.SlotInline, 0))
	if length > uint64(c.inlineMax) {
		return nil, 0, false
	}
	c.found[c.index(next)] = heldNow | held(length)
	c.next = next + 1
	c.held++
	return (*byte)(unsafe.Add(s.base, c.payloadOff)), int(length), true
}

// A Taken is where a message lies, and its length.
type Taken struct {
	Data *byte
	Len  int
}

// TakeRun is Take for as many messages as there are, up to len(dst), which it fills; their
// positions follow each other from NextPos before the call. It returns how many those are.
func (c *Consumer) TakeRun(dst []Taken) int {
	if c.stamped || c.next < c.redeliver {
		return 0
	}
	first, most := c.next, uint64(c.inlineMax)
	dst = dst[:min(uint64(len(dst)), c.window-min(c.window, uint64(first-c.head)))]
	k := 0
	for ; k < len(dst); k++ {
		at := first + slotPos(k)
		s := c.cell(at)
		w := s.commit().Load() // sync: commit
		length := w ^ uint64(c.commitWord(at, layout.SlotInline, 0))
		if length > most {
			break
		}
		c.found[c.index(at)] = heldNow | held(length)
		dst[k] = Taken{Data: (*byte)(unsafe.Add(s.base, c.payloadOff)), Len: int(length)}
	}
	c.next = first + slotPos(k)
	c.held += k
	return k
}
