package bench

import (
	"sync/atomic"

	"shmring/internal/layout"
)

// A pipeline is the least that moves large messages between two processes by memcpy:
// buffers in shared memory, taken in turn, and two counters to spin on.
type pipeline struct {
	filled, freed *atomic.Uint64
	mem           []byte
	size, slots   uint64
}

const pipelineHead = 4096 // bytes before the buffers

// pipelineSlots gives a pipeline the room that a channel has.
func pipelineSlots(size int) int {
	return min(channelSlots, roomFor(size)/size)
}

func newPipeline(mem []byte, size, slots int) *pipeline {
	return &pipeline{
		filled: layout.Word(mem, 0), freed: layout.Word(mem, layout.Line), mem: mem[pipelineHead:],
		size: uint64(size), slots: uint64(slots),
	}
}

func (p *pipeline) slot(n uint64) []byte {
	at := n % p.slots * p.size
	return p.mem[at : at+p.size]
}

// put copies message n in.
func (p *pipeline) put(n uint64, b []byte) {
	for n-p.freed.Load() >= p.slots { // looking is all
	}
	copy(p.slot(n), b)
	p.filled.Store(n + 1)
}

// get copies message n out.
func (p *pipeline) get(n uint64, b []byte) {
	for p.filled.Load() <= n { // looking is all
	}
	copy(b, p.slot(n))
	p.freed.Store(n + 1)
}

// barePipeline receives by memcpy what a peer sends by memcpy.
func barePipeline(size int) func(*run) {
	return func(r *run) {
		r.needTwoCores()
		r.begin()
		r.bytes(int64(size))
		slots := pipelineSlots(size)
		mem, f := r.shared(pipelineHead + slots*size)
		r.peer(job{Kind: "bare-copier", Size: size, Slots: slots}, f)
		pipe := newPipeline(mem, size, slots)
		dst := make([]byte, size)
		r.exchange(lapOf(size), each(func(n uint64) error {
			pipe.get(n, dst)
			if !checkEnds(dst, n) {
				return wrong(dst, n)
			}
			return nil
		}), noSyscalls, nil)
		r.end()
	}
}

// bareCopierPeer is the sender of a pipeline.
func bareCopierPeer(p *peer) error {
	mem, err := mapShared(firstFD, pipelineHead+p.Slots*p.Size)
	if err != nil {
		return err
	}
	pipe := newPipeline(mem, p.Size, p.Slots)
	src := make([]byte, p.Size)
	fillLong(src, 0)
	return p.serve(each(func(n uint64) error {
		fillEnds(src, n)
		pipe.put(n, src)
		return nil
	}), noSyscalls)
}

func noSyscalls() uint64 { return 0 }
