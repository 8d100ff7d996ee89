package channel

import (
	"context"
	"time"

	"shmring/futex"
	"shmring/internal/layout"
)

// noticeTime is how long a context may take to notice its own deadline.
const noticeTime = 5 * time.Millisecond

// How long one sleep lasts before another look, with nothing to wake it.
const (
	longSlice     = 2 * time.Second        // nothing reserved in front
	longestSlice  = 16 * time.Second       // likewise, after a long wait
	blindSlice    = 100 * time.Millisecond // no death notices here
	holeSlice     = 10 * time.Millisecond  // before a hole, for the first second
	oldHoleSlice  = 100 * time.Millisecond // before a hole, later
	holeSliceTime = time.Second
)

// idleSlice is how long a sleep may last in a wait since then that expects nothing but to be
// woken. Looks become rarer, each doubles the age of the wait: they are a net under wakes and
// notices, and who waits for hours should not pay for it each two seconds.
func idleSlice(since time.Time) time.Duration {
	return min(max(time.Since(since), longSlice), longestSlice)
}

// testSlice replaces longSlice and what is longer in tests that must not be saved by a slice:
// slices hide lost wake-ups. Zero leaves it.
var testSlice time.Duration

// slice returns when a sleep that may last d has to end: earlier at the context's
// deadline, and where no death notice can come.
func (ch *Channel) slice(ctx context.Context, d time.Duration) futex.Deadline {
	if d >= longSlice && testSlice != 0 {
		d = testSlice
	}
	if ch.noInotify.Load() {
		d = min(d, blindSlice)
	}
	until := futex.After(d)
	if end, ok := ctx.Deadline(); ok {
		until = until.Earlier(futex.At(end))
	}
	return until
}

// deadlinePassed reports whether the context's deadline is over, a moment before
// the context may have noticed.
func deadlinePassed(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && !time.Now().Before(end)
}

// ended is the error of a context that ended while the call waited.
func (ch *Channel) ended(ctx context.Context, stuck string) error {
	return &waitError{cause: context.Cause(ctx), end: ctx.Err(), stuck: stuck}
}

// deadline is ended for a deadline that the context may not have noticed yet.
func (ch *Channel) deadline(ctx context.Context, stuck string) error {
	if ctx.Done() != nil { // the context's own timer is a moment behind
		select {
		case <-ctx.Done():
			return ch.ended(ctx, stuck)
		case <-time.After(noticeTime):
		}
	}
	return &waitError{
		cause: context.DeadlineExceeded, end: context.DeadlineExceeded, stuck: stuck,
	}
}

// expired is for a sleep whose slice is over: nil, unless that was the context's deadline.
func (ch *Channel) expired(ctx context.Context, why func() string) error {
	if !deadlinePassed(ctx) {
		return nil
	}
	text := ""
	_ = ch.guardData(func() error { text = why(); return nil }) // no text, then
	return ch.deadline(ctx, text)
}

// wakeOnCancel makes the end of ctx wake the sleepers of e. The returned function
// ends that, and waits if it is just happening: the memory may go away after it.
func (ch *Channel) wakeOnCancel(ctx context.Context, e *layout.Event) func() {
	if ctx.Done() == nil {
		return func() {}
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		ch.try(func() { futex.Broadcast(e) })
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

func nowNs() int64 { return time.Now().UnixNano() }
