package futex

import "time"

// A Deadline is a moment in nanoseconds of CLOCK_MONOTONIC. Never is no deadline.
type Deadline int64

// Never is the deadline that does not come.
const Never Deadline = 0

// After returns the moment d from now. A d that is not positive gives a moment that
// has passed, never Never.
func After(d time.Duration) Deadline {
	now := Now()
	end := now + Deadline(d)
	switch {
	case d > 0 && end < now:
		return Deadline(1<<63 - 1)
	case end <= 0:
		return 1
	}
	return end
}

// At returns the moment t. The zero time gives Never.
func At(t time.Time) Deadline {
	if t.IsZero() {
		return Never
	}
	return After(time.Until(t))
}

// Earlier returns the one of d and o that comes first.
func (d Deadline) Earlier(o Deadline) Deadline {
	if d == Never || o != Never && o < d {
		return o
	}
	return d
}

// Passed reports whether d is over.
func (d Deadline) Passed() bool { return d != Never && Now() >= d }
