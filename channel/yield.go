package channel

import (
	"time"

	"shmring/futex"
)

// How often a call lets others run before it sleeps. In vain that costs some microseconds, less
// than a sleep and a wake. Who computes beside it keeps the processor for some milliseconds
// each time: then once is enough.
const (
	maxYields = 16
	yieldTime = 500 * time.Microsecond
)

// yield lets others run before a call sleeps, and looks after each time whether its wait is
// over. The caller has the turn and the mutex, before and after, and for each look.
func (ch *Channel) yield(g *gate, look func() (done bool, err error)) (done bool, err error) {
	if ch.opts.Spin < 0 { // it shall sleep at once
		return false, nil
	}
	began := time.Now()
	for range maxYields {
		g.pause()
		futex.Yield()
		g.resume()
		if done, err := look(); done || err != nil {
			return done, err
		}
		if time.Since(began) > yieldTime {
			break
		}
	}
	return false, nil
}
