package manager

import (
	"math/rand/v2"
	"time"
)

// A Backoff is the retry policy of one operation. It belongs to one goroutine. The policies
// of github.com/cenkalti/backoff fit it.
type Backoff interface {
	// NextBackOff returns how long to wait before the next attempt; Stop: there is none.
	NextBackOff() time.Duration
}

// Stop is what NextBackOff returns to end the attempts.
const Stop time.Duration = -1

// Defaults of Exponential.
const (
	DefaultFirstBackoff = time.Millisecond
	DefaultMostBackoff  = time.Second
	DefaultAttempts     = 10
)

// Exponential doubles its waits from First to Most, each shortened at random by up to a
// half so that many who failed together do not come again together, and stops after a
// number of attempts.
type Exponential struct {
	First    time.Duration // before the second attempt; zero: DefaultFirstBackoff
	Most     time.Duration // longest wait; zero: DefaultMostBackoff
	Attempts int           // the first included; zero: DefaultAttempts

	made int
}

// NextBackOff implements Backoff.
func (e *Exponential) NextBackOff() time.Duration {
	first, most, attempts := e.First, e.Most, e.Attempts
	if first <= 0 {
		first = DefaultFirstBackoff
	}
	if most <= 0 {
		most = DefaultMostBackoff
	}
	if attempts <= 0 {
		attempts = DefaultAttempts
	}
	if e.made++; e.made >= attempts {
		return Stop
	}
	wait := most
	if shift := e.made - 1; shift < 62 && first<<shift>>shift == first {
		wait = min(most, first<<shift)
	}
	return wait - time.Duration(rand.Int64N(int64(wait)/2+1)) //nolint:gosec // no secret
}
