package ring

import (
	"unsafe"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

// ahead is how many slots a sender fetches at once. A slot was read by the consumer one lap
// ago, so writing it waits for its line to come back; fetched in groups, those waits
// overlap. A group is as large as what a processor can have under way.
const ahead = 16

// fetchMost bounds one fetch: more than the first-level cache holds is of no use, and nobody
// can interrupt it.
const fetchMost = 256

// fetch fetches the lines of n slots from pos on, as far as they follow each other in
// memory. They are free: the caller has room for them.
func (s *shape) fetch(pos slotPos, n uint64) {
	n = min(n, fetchMost, s.slots-uint64(s.index(pos)))
	stride := uint64(1) << (s.sizeShift & 63)
	if lines := uint64(layout.ArenaUnit); stride < lines {
		n, stride = (n*stride+lines-1)/lines, lines
	}
	prefetchWrite(s.cell(pos).base, stride, n)
}

// fetchAhead fetches the slots behind the one at pos, every time that a group begins, as far
// as they were free before h. It is for messages that are sent one by one.
func (s *shape) fetchAhead(pos slotPos, h uint64) {
	if free := s.slots - s.slotsFrom(s.slotOf(h), pos); uint64(pos)%ahead == 0 && free > 1 {
		s.fetch(pos+1, min(ahead, free-1))
	}
}

// fillInline is fillBatch for messages that all fit their slots and carry no stamp. It keeps
// what it needs in registers: a call for each message would put all that into memory.
func (p *Producer) fillInline(pos slotPos, ps [][]byte) int {
	p.fetch(pos, uint64(len(ps)))
	m, off := p.memory, p.payloadOff
	mask, shift := p.slotMask, p.lapShift
	bytes := 0
	for i, b := range ps {
		at := pos + slotPos(i)
		s := m.cell(at)
		dst, src, n := unsafe.Add(s.base, off), unsafe.Pointer(unsafe.SliceData(b)), len(b)
		if uint(n-16) <= 16 {
			*(*[16]byte)(dst) = *(*[16]byte)(src)
			*(*[16]byte)(unsafe.Add(dst, n-16)) = *(*[16]byte)(unsafe.Add(src, n-16))
		} else {
			copy(unsafe.Slice((*byte)(dst), n), b)
		}
		bytes += n
		if i > 0 {
			fault.Point("ring.batch.filled")
			w := layout.NewCommit(uint64(at)&mask, shift, layout.SlotInline, uint32(n))
			s.commitLater(uint64(w))
		}
	}
	fault.Point("ring.batch.last")
	p.publish(p.cell(pos), p.commitWord(pos, layout.SlotInline, len(ps[0])))
	return bytes
}
