package measure

import (
	"time"

	"golang.org/x/sys/unix"
)

// A Plan says when messages are due. It is made before the first of them and does not
// look at what became of the others: whoever is late sends at once what is overdue, and
// the time of a message counts from when it was due. So a receiver that stalls shows in
// all messages that were due meanwhile, not in the one that it held (what is known as
// coordinated omission).
//
// The zero Plan is none: everything is due at once, which is called flat out.
type Plan struct {
	Every time.Duration // between two batches
	Batch int           // messages that are due together; zero is one
	Start int64         // when the first is due, as Now has it
}

// Paced reports whether the plan has times.
func (p Plan) Paced() bool { return p.Every > 0 }

// Due returns when message n is due.
func (p Plan) Due(n uint64) int64 {
	return p.Start + int64(n/uint64(max(p.Batch, 1)))*int64(p.Every)
}

// spinBelow is the least time between messages that is worth a sleep: a sleep ends some
// microseconds late.
const spinBelow = 200 * time.Microsecond

// Await waits until message n is due. It sleeps if messages are far apart, and spins
// otherwise. A sleep ends late by what the kernel takes, and the message is then late by
// as much: that is part of its time, since whoever waits for it does not care why.
func (p Plan) Await(n uint64) {
	if !p.Paced() {
		return
	}
	due := p.Due(n)
	if p.Every >= spinBelow {
		SleepUntil(due)
	}
	for Now() < due { // looking is all
	}
}

// SleepUntil sleeps until a moment of Now.
func SleepUntil(when int64) {
	ts := unix.NsecToTimespec(when)
	for Now() < when {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil)
		if err != nil && err != unix.EINTR {
			return // a moment that the kernel does not know: it has passed
		}
	}
}
