package channel

import (
	"math"
	"time"

	"shmring/futex"
	"shmring/ring"
)

// A lag keeps a receiver that takes messages one by one some slots behind a sender that sends
// all the time. At its heels each of the two would take, with every message, the cache lines
// that the other is about to use: the sender fetches the next slots for writing, and the
// receiver, or its processor by itself, reads them too early. (The idea of FastForward, Giacomoni
// and others 2008, and of B-Queue, Wang and others 2013; here it is no more than a hint, and
// every message is checked by itself.)
//
// Only a receiver that found so many messages in a row looks for the distance at all, so a
// conversation never does; and one whose sender does not catch up, because it waits for an
// answer maybe, looks ever more rarely.
type lag struct {
	run   int // messages since the last look, all found at once
	every int // messages from one look to the next
}

const (
	lagLeast = 16                    // slots behind the sender that are enough
	lagWant  = ring.LookAhead        // slots that it waits for if they are fewer
	lagPause = 400 * time.Nanosecond // some lines there and back
	lagLooks = 4                     // pauses in a row
	lagRare  = 64 * lagLeast         // messages between looks that are in vain
)

// newLag returns the lag for a ring of so many slots.
func newLag(slotCount uint64) lag {
	if slotCount < 4*lagWant {
		return lag{every: math.MaxInt} // never mind
	}
	return lag{every: lagLeast}
}

// caughtUp ends a run: nothing was there. What was in vain before is forgiven slowly, since a
// sender that answers today may send all the time tomorrow.
func (l *lag) caughtUp() {
	l.run = 0
	if l.every > lagLeast && l.every <= lagRare {
		l.every--
	}
}

// fallBack waits a moment for the sender to get ahead. The gate is held, and a message that was
// taken waits: for lagLooks pauses at most, whatever the slots say. Whoever begins to wait for
// room meanwhile is seen by the next release, as ever. It looks without a Guard, since only
// quick calls it, and never beyond what a drain leaves (ring.LookAhead).
func (rx *Receiver) fallBack() {
	l := &rx.lag
	l.run = 0
	if rx.spin.Begin() == 0 {
		return // somebody else may need the processor
	}
	ahead := rx.cons.ReadyAt(lagLeast)
	for i := 0; i < lagLooks && !ahead; i++ {
		futex.Pause(rx.lagPauses)
		ahead = rx.cons.ReadyAt(lagWant)
	}
	if ahead {
		l.every = lagLeast
	} else {
		l.every = min(2*l.every, lagRare)
	}
}
