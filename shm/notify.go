//go:build linux

package shm

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// noticeGap lies between two notices of one segment.
const noticeGap = 5 * time.Millisecond

// repeatAfter says when a close is told of again. The last is for a machine that is so
// busy, or a process so throttled, that it stops for long between the close and the locks.
var repeatAfter = [...]time.Duration{
	time.Millisecond, 20 * time.Millisecond, 150 * time.Millisecond,
}

// Notify calls fn when somebody may have died or left, until stop is called. Calls of
// one subscription do not overlap; they run on goroutines of this package, and stop
// waits for a running one, so fn must not call it. Bursts are coalesced: a call at
// once, then at most one every 5 ms, the last never dropped, and a NoticeRepeat 1, 20
// and 150 ms after the last close. An error means that there are no notices here (no more
// inotify instances or watches, no /proc): the caller looks from time to time instead.
func (s *Segment) Notify(fn func(Notice)) (stop func(), err error) {
	sub := &subscription{fn: fn, seg: s}
	heard := 0
	err = s.withFile(func(fd int) error {
		var err error
		heard, err = hub.add(fdPath(fd), sub)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", s.path, err)
	}
	s.raise(heard)
	var once sync.Once
	return func() { once.Do(sub.stop) }, nil
}

// A subscription is one Segment's interest in its file.
type subscription struct {
	fn    func(Notice)
	seg   *Segment
	watch *watch

	mu   sync.Mutex // held while fn runs
	dead bool
}

func (s *subscription) call(n Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dead {
		s.fn(n)
	}
}

func (s *subscription) stop() {
	hub.remove(s)
	s.mu.Lock() // waits for a running fn
	defer s.mu.Unlock()
	s.dead = true
}

// A watch is what the kernel counts: one a file, however many attachments of this
// process share it. It spaces the calls.
type watch struct {
	wd int32 // the kernel's number; the notifier's mutex guards it

	mu      sync.Mutex
	subs    []*subscription
	pending Notice    // strongest notice not yet given
	want    bool      // there is one
	allowed time.Time // no call before
	repeats [len(repeatAfter)]time.Time
	running bool
	timer   *time.Timer
}

// event takes note of one event and sees to it that somebody acts on it.
func (w *watch) event(n Notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.pending = max(w.pending, n)
	w.want = true
	if n == NoticeClosed || n == NoticeIgnored {
		for i, after := range repeatAfter {
			w.repeats[i] = now.Add(after)
		}
	}
	if !w.running {
		w.running = true
		go w.run()
	}
}

// run gives every notice that is due and leaves a timer for the next one.
func (w *watch) run() {
	for {
		w.mu.Lock()
		n, due, wait := w.next(time.Now())
		if !due {
			w.running = false
			w.arm(wait)
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		for _, s := range w.snapshot() {
			s.call(n)
		}
	}
}

// next takes the notice that is due now, or says how long until one is; negative:
// nothing is outstanding.
func (w *watch) next(now time.Time) (n Notice, due bool, wait time.Duration) {
	wait = -1
	sooner := func(at time.Time) bool {
		d := at.Sub(now)
		if d > 0 && (wait < 0 || d < wait) {
			wait = d
		}
		return d <= 0
	}
	if w.want && sooner(w.allowed) {
		n, w.pending, w.want = w.pending, NoticeClosed, false
		w.allowed = now.Add(noticeGap)
		return n, true, 0
	}
	for i, at := range w.repeats {
		if !at.IsZero() && sooner(at) {
			w.repeats[i] = time.Time{}
			return NoticeRepeat, true, 0
		}
	}
	return 0, false, wait
}

// arm starts the timer; the caller holds mu.
func (w *watch) arm(wait time.Duration) {
	if wait < 0 || len(w.subs) == 0 {
		return
	}
	if w.timer == nil {
		w.timer = time.AfterFunc(wait, w.wake)
		return
	}
	w.timer.Reset(wait)
}

func (w *watch) wake() {
	w.mu.Lock()
	start := !w.running && len(w.subs) > 0
	w.running = w.running || start
	w.mu.Unlock()
	if start {
		w.run()
	}
}

func (w *watch) snapshot() []*subscription {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.subs)
}

// drop removes a subscription and reports whether it was the last.
func (w *watch) drop(sub *subscription) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subs = slices.DeleteFunc(w.subs, func(s *subscription) bool { return s == sub })
	if len(w.subs) == 0 && w.timer != nil {
		w.timer.Stop()
	}
	return len(w.subs) == 0
}

// takeAll empties a watch whose subscriptions another one takes over.
func (w *watch) takeAll() []*subscription {
	w.mu.Lock()
	defer w.mu.Unlock()
	subs := w.subs
	w.subs = nil
	if w.timer != nil {
		w.timer.Stop()
	}
	return subs
}
