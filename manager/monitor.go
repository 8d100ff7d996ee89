package manager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"shmring/state"
)

// MonitorOptions say what a monitor does besides looking.
type MonitorOptions struct {
	// Recover makes the policy by which the monitor tries to recover a channel in state
	// ERROR, one for each time that it gets there; nil: it recovers nothing. A recovery that
	// did not last until the next look counts as one that failed. What becomes of a channel
	// that is given up, Options.Escalate says. Channels opened read-only are left to others.
	Recover func() Backoff
	// OnHealth, if not nil, is told of every change of a status. It runs
	// in the goroutine of the monitor: what takes long there delays the next look, and it must
	// not call stop or Manager.Close, which wait for that goroutine.
	OnHealth func(Health)
}

// StartMonitor looks at everything that is registered and tracked, once in an interval,
// until stop is called or the Manager is closed; stop waits for a look that is under way.
// Options.Logger is told of changes only: a warning when something gets worse, an
// information when it is well again. A second monitor while one runs is fs.ErrExist.
func (m *Manager) StartMonitor(
	interval time.Duration, o MonitorOptions,
) (stop func(), err error) {
	if interval <= 0 {
		return nil, fmt.Errorf("manager: monitor: %w: interval %v", fs.ErrInvalid, interval)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, errClosed
	case m.monitor != nil:
		return nil, fmt.Errorf("manager: monitor: %w: one is running", fs.ErrExist)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &monitor{m: m, o: o, seen: make(map[string]*sight), ended: make(chan struct{})}
	w.stop = func() {
		cancel()
		<-w.ended
		m.mu.Lock()
		if m.monitor == w {
			m.monitor = nil
		}
		m.mu.Unlock()
	}
	m.monitor = w
	go w.run(ctx, interval)
	return w.stop, nil
}

// A monitor is one running StartMonitor.
type monitor struct {
	m     *Manager
	o     MonitorOptions
	stop  func()
	ended chan struct{}
	seen  map[string]*sight
}

// A sight is what the monitor remembers of one channel.
type sight struct {
	status Status

	// Of a channel in ERROR.
	policy   Backoff
	next     time.Time // when to try to recover it
	attempts int
	last     bool // no other attempt follows
	givenUp  bool
}

func (w *monitor) run(ctx context.Context, interval time.Duration) {
	defer close(w.ended)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		w.look(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// look is one round.
func (w *monitor) look(ctx context.Context) {
	all, err := w.m.HealthAll(ctx)
	if err != nil {
		return // it is being closed
	}
	seen := w.seen
	w.seen = make(map[string]*sight, len(all)) // what was forgotten is, here too
	for _, h := range all {
		if s := seen[h.Name]; s != nil {
			w.seen[h.Name] = s
		}
	}
	for _, h := range all {
		if ctx.Err() != nil {
			return
		}
		s := w.seen[h.Name]
		if s == nil {
			s = &sight{status: Healthy}
			w.seen[h.Name] = s
		}
		w.compare(s, h)
		w.repair(ctx, s, h)
	}
}

// compare tells of a change.
func (w *monitor) compare(s *sight, h Health) {
	if h.Status == s.status {
		return
	}
	was := s.status
	s.status = h.Status
	if log := w.m.opts.Logger; log != nil {
		if h.Status > was {
			log.Warn("shmring: "+h.Status.String(), "channel", h.Name, "was", was.String(),
				"reasons", h.Reasons)
		} else {
			log.Info("shmring: "+h.Status.String(), "channel", h.Name, "was", was.String(),
				"reasons", h.Reasons)
		}
	}
	if w.o.OnHealth != nil {
		w.o.OnHealth(h)
	}
}

// errRelapse is why a channel is given up whose last recovery succeeded.
var errRelapse = errors.New("recovered, and in ERROR again")

// repair recovers a channel in ERROR, by its policy.
func (w *monitor) repair(ctx context.Context, s *sight, h Health) {
	if h.State != state.Error {
		*s = sight{status: s.status}
		return
	}
	if w.o.Recover == nil || s.givenUp || time.Now().Before(s.next) || w.m.onlyLooks(h.Name) {
		return
	}
	if s.policy == nil {
		s.policy = w.o.Recover()
	}
	if s.last {
		w.giveUp(ctx, s, h.Name, errRelapse)
		return
	}
	s.attempts++
	err := w.attempt(ctx, h.Name)
	if ctx.Err() != nil {
		return
	}
	wait := s.policy.NextBackOff()
	s.next, s.last = time.Now().Add(wait), wait < 0
	switch log := w.m.opts.Logger; {
	case err == nil: // the next look sees whether it lasts
	case s.last:
		w.giveUp(ctx, s, h.Name, err)
	case log != nil:
		log.Warn("shmring: recovery failed", "channel", h.Name, "attempts", s.attempts,
			"error", err)
	}
}

// recoverTime bounds one attempt: somebody who is stopped may hold the control lock, and the
// monitor would look at nothing else meanwhile.
const recoverTime = time.Second

func (w *monitor) attempt(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, recoverTime)
	defer cancel()
	_, err := w.m.Recover(ctx, name)
	return err
}
