package futex

import (
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// Announce sets the waiting bit of a place: step 1 of a sleep.
func Announce(e *layout.Event, place int) {
	e.Bits[place/64].Or(1 << (place % 64)) // sync: waiting-bits
}

// Withdraw clears the waiting bit of a place.
func Withdraw(e *layout.Event, place int) {
	e.Bits[place/64].And(^uint64(1 << (place % 64))) // sync: waiting-bits
}

// Sample reads the sequence: step 2 of a sleep, after Announce and before the
// condition is checked again.
func Sample(e *layout.Event) uint32 { return e.Seq.Load() } // sync: seq

// Waiting reports whether a bit of the first places is set.
func Waiting(e *layout.Event, places int) bool {
	if e.Bits[0].Load() != 0 { // sync: waiting-bits
		return true
	}
	return places > 64 && waitingHigh(e, places)
}

func waitingHigh(e *layout.Event, places int) bool {
	for i := 1; i < (places+63)/64; i++ {
		if e.Bits[i].Load() != 0 { // sync: waiting-bits
			return true
		}
	}
	return false
}

// Signal wakes the sleepers of e, if there are any among the first places; the caller
// has published what they wait for with an atomic store. It reports whether it made
// a system call.
func Signal(e *layout.Event, places int) bool {
	if !Waiting(e, places) {
		return false
	}
	Broadcast(e)
	return true
}

// Broadcast wakes every sleeper of e, whether it set a bit or not.
func Broadcast(e *layout.Event) {
	fault.Point("futex.signal.before")
	e.Seq.Add(1) // sync: seq
	fault.Point("futex.signal.bumped")
	WakeAll(&e.Seq)
}
