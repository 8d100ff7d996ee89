package futex

import (
	"sync"
	"time"
)

// A rhythm says how a spinning waiter looks again about every lookEvery.
type rhythm struct {
	one    time.Duration // of one pause
	pauses int           // between two looks
	round  time.Duration // of that many pauses
}

// pace measures once what a pause takes here: from 4 to 140 ns on processors of the last
// decade.
var pace = sync.OnceValue(func() rhythm {
	const sample = 256
	best := time.Hour
	for range 5 {
		start := time.Now()
		pause(sample)
		best = min(best, time.Since(start))
	}
	one := max(best/sample, time.Nanosecond)
	pauses := max(1, int((lookEvery+one/2)/one))
	return rhythm{one: one, pauses: pauses, round: time.Duration(pauses) * one}
})
