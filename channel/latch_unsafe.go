//go:build linux && amd64 && !race

package channel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"shmring/futex"
)

// A latch is a mutex for what is nearly always one goroutine's: the private half of a ring.
// Biased, it is taken by one compare-and-swap and given back by a plain store, without the
// locked instruction by which a sync.Mutex asks whether somebody waits. The first one that
// has to wait for long revokes the bias for good, and from then on it is a sync.Mutex. The
// zero value is unbiased. (After Dice, Moir and Scherer, Quickly Reacquirable Locks, 2003;
// here only the way out is cheap, so any goroutine may be the next to take it.)
//
//	biased    who has it made word 1; bias is set, or was until somebody began to revoke it
//	unbiased  who has it holds mu; word stays 1
//
// Why nobody waits in vain, and no two have it: whoever revokes it clears bias, then makes
// every thread that runs Go code pass a full barrier, then tries to take word until
// it has it. An owner stores 0 and then looks at bias. If its store came before its thread's
// barrier, the revoker finds word free; else its look comes after the barrier, so it sees that
// bias is cleared and tells the revoker. Two that revoke at once take turns by mu. The
// model is docs/model/latch.pml.
type latch struct {
	word atomic.Uint32
	bias atomic.Bool
	lone bool // the state is biased; changed by who has word and mu
	mu   sync.Mutex
	free chan struct{} // word was given back after bias was cleared
	told atomic.Uint32
}

// latchSpins is how often a call looks again before it revokes the bias: some hundred
// times as long as a ring operation takes. Where a pause takes only some nanoseconds, it is less
// than a receiver's glance or lag; who waits for such a one revokes, which costs no more than
// the mutex that comes of it. Tests change it.
var latchSpins = 256

// makeBiased makes an unused latch biased.
func (l *latch) makeBiased() {
	l.free = make(chan struct{}, 1)
	l.lone = true
	l.bias.Store(true) // sync: latch-bias
}

// Lock takes the latch.
func (l *latch) Lock() {
	if l.bias.Load() && l.word.CompareAndSwap(0, 1) { // sync: latch-bias, latch
		return
	}
	l.lockSlow()
}

// Unlock gives it back. The plain store is the release: this processor makes stores visible
// in program order, and the compiler moves none across it or across the load behind it.
func (l *latch) Unlock() {
	if !l.lone {
		l.mu.Unlock()
		return
	}
	*(*uint32)(unsafe.Pointer(&l.word)) = 0 // sync: latch
	if !l.bias.Load() {                     // sync: latch-bias
		l.tell()
	}
}

func (l *latch) tell() {
	l.told.Add(1) // a locked instruction: word is free before anybody is told
	select {
	case l.free <- struct{}{}:
	default: // it was told before and has not looked yet
	}
}

func (l *latch) lockSlow() {
	for i := 0; i < latchSpins && l.bias.Load(); i++ { // sync: latch-bias
		if l.word.Load() == 0 && l.word.CompareAndSwap(0, 1) { // sync: latch
			return
		}
		futex.Pause(1)
	}
	l.mu.Lock()
	if l.lone {
		l.revoke()
	}
}

// revoke makes the latch unbiased and takes it. The caller has mu.
func (l *latch) revoke() {
	l.bias.Store(false) // sync: latch-bias
	barrier()
	for !l.word.CompareAndSwap(0, 1) { // sync: latch
		<-l.free
	}
	l.lone = false
}

// barrier makes every thread of this process that runs Go code pass a full memory barrier, by
// stopping the world: each gives its processor up, or has given it up, by a locked instruction.
// That takes some microseconds, once in the life of a handle. The kernel has a call for it
// (membarrier), but registering for that takes tens of milliseconds, and a process that is
// killed meanwhile keeps its locks for so long.
func barrier() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
}
