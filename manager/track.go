package manager

import (
	"fmt"
	"io/fs"
	"time"
)

// QueueInfo describes a queue that is no channel of this package: a Go channel, the backlog
// of a socket, a table of a database. Its functions may be called at any time and from any
// goroutine.
type QueueInfo struct {
	// Depth returns how many items are in the queue, and how many there is room for; 0 for
	// a queue without a limit.
	Depth func() (used, capacity uint64)
	// Counts returns how many items were put in and taken out since the beginning; may be
	// nil.
	Counts func() (in, out uint64)
	// Check returns an error if the queue does not work; may be nil.
	Check func() error
}

// Track puts a foreign queue into Health and Metrics. The name must not be that of a
// channel or of another tracked queue.
func (m *Manager) Track(name string, q QueueInfo) error {
	if name == "" || q.Depth == nil {
		return fmt.Errorf("manager: track %q: %w: a queue needs a name and a depth", name,
			fs.ErrInvalid)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return errClosed
	case m.channels[name] != nil, m.tracked[name] != nil:
		return fmt.Errorf("manager: track %q: %w", name, fs.ErrExist)
	}
	m.tracked[name] = &queue{QueueInfo: q}
	return nil
}

// Untrack ends Track. A name that is not tracked is no error.
func (m *Manager) Untrack(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.tracked, name)
}

// A queue is a tracked one.
type queue struct {
	QueueInfo
	trend trend
}

func (q *queue) health(name string) Health {
	h := Health{Name: name, Status: Healthy, At: time.Now()}
	j := judge{&h}
	h.Depth, h.Slots = q.Depth()
	if h.Slots > 0 && float64(h.Depth) >= nearFull*float64(h.Slots) {
		j.say(Degraded, "%d of %d are in use", h.Depth, h.Slots)
	}
	if q.Check != nil {
		if err := q.Check(); err != nil {
			j.say(Unhealthy, "does not work: %v", err)
		}
	}
	q.trend.apply(&h)
	j.trend()
	return h
}
