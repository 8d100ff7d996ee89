package manager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/shm"
	"shmring/state"
)

// A Status says how well something is.
type Status int

// Statuses, from good to bad.
const (
	Healthy Status = iota + 1
	Degraded
	Unhealthy
)

// String returns the status as one word.
func (s Status) String() string {
	switch s {
	case Healthy:
		return "healthy"
	case Degraded:
		return "degraded"
	case Unhealthy:
		return "unhealthy"
	}
	return "unknown"
}

// Health says how one channel, or one tracked queue, is.
type Health struct {
	Name    string
	Status  Status
	Reasons []string // why it is not healthy, in words, the worst first; empty if it is
	State   state.State
	At      time.Time

	Depth, Slots     uint64        // slots in use, of all
	FullFor          time.Duration // for how long a sender has waited for room
	FullIn           time.Duration // when it will be full if it goes on so; zero: it will not
	OldestWait       time.Duration // how long messages lie there that the receiver does not take
	Growth           float64       // slots a second, over the looks of the monitor
	Dead             []string      // whose death was noticed and has no successor, in words
	Stuck            []string      // who lives and holds others up, in words
	Senders          int
	Receivers        int
	ErrorOfInspector error // it could not be looked at
}

// Thresholds of the judgement.
const (
	nearFull    = 0.9              // share of slots or arena
	soonFull    = 30 * time.Second // FullIn
	lowMemory   = 0.05             // free share of the file system of the segments
	lowMemoryIn = 64 << 20         // and free bytes
)

// a judge collects reasons.
type judge struct{ h *Health }

func (j judge) say(s Status, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s > j.h.Status { // the worst first
		j.h.Status = s
		j.h.Reasons = slices.Insert(j.h.Reasons, 0, text)
		return
	}
	j.h.Reasons = append(j.h.Reasons, text)
}

// Health looks at the registered channel, or tracked queue, of that name. It takes no part
// in the channel and disturbs nobody: a channel that this process has not opened is
// looked at read-only.
func (m *Manager) Health(ctx context.Context, name string) (Health, error) {
	m.mu.Lock()
	c, q, closed := m.channels[name], m.tracked[name], m.closed
	m.mu.Unlock()
	switch {
	case closed:
		return Health{}, errClosed
	case q != nil:
		return q.health(name), nil
	case c == nil:
		return Health{}, notRegistered(name)
	}
	return m.inspect(ctx, c), nil
}

// HealthAll looks at everything that is registered and tracked, by name.
func (m *Manager) HealthAll(ctx context.Context) ([]Health, error) {
	m.mu.Lock()
	closed := m.closed
	names := slices.AppendSeq(slices.Collect(maps.Keys(m.channels)), maps.Keys(m.tracked))
	m.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	slices.Sort(names)
	all := make([]Health, 0, len(names))
	for _, name := range names {
		h, err := m.Health(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // forgotten meanwhile
		}
		if err != nil {
			return all, err
		}
		all = append(all, h)
	}
	return all, nil
}

// inspect judges a channel. What keeps it from that is a judgement too.
func (m *Manager) inspect(ctx context.Context, c *Channel) Health {
	h := Health{Name: c.name, Status: Healthy, At: time.Now()}
	j := judge{&h}
	found := false
	err := m.look(ctx, c.name, func(ch *channel.Channel) error {
		found = true
		j.channel(ch, c.spec.StallAfter)
		return nil
	})
	switch {
	case err != nil:
		h.ErrorOfInspector = err
		j.say(Unhealthy, "cannot be looked at: %v", err)
	case !found && c.raw.Load() == nil:
		h.State = 0 // declared, and not there yet
	}
	if found {
		c.trend.apply(&h)
		j.trend()
		j.space(c.spec.Dir)
	}
	return h
}

// channel judges by what the segment says.
func (j judge) channel(ch *channel.Channel, stall time.Duration) {
	if stall <= 0 {
		stall = channel.DefaultStallAfter
	}
	s := ch.Stats()
	h := j.h
	h.State, h.Depth, h.Slots = s.State, s.Depth, s.Slots
	h.Senders, h.Receivers = s.Senders, s.Receivers
	j.state(s, ch)
	for _, p := range ch.Participants() {
		j.participant(p, s.Depth, stall)
	}
	if s.Depth > 0 && s.Receivers == 0 && s.State != state.Closed {
		j.say(Degraded, "no receiver, %d slots are in use", s.Depth)
	}
	if s.Corrupt > 0 {
		j.say(Degraded, "impossible words were found %d times", s.Corrupt)
	}
	if used := float64(s.Depth) / float64(s.Slots); used >= nearFull {
		j.say(Degraded, "%d of %d slots are in use", s.Depth, s.Slots)
	}
	if s.ArenaBytes > 0 && float64(s.ArenaUsed) >= nearFull*float64(s.ArenaBytes) {
		j.say(Degraded, "%d of %d arena bytes are in use", s.ArenaUsed, s.ArenaBytes)
	}
	if d, ok := unfollowed(s); ok {
		h.Dead = append(h.Dead, fmt.Sprintf("%s pid %d (%s)", d.Role, d.PID, d.Comm))
		j.say(Degraded, "the %s pid %d (%s) died %s ago and has no successor", d.Role, d.PID,
			d.Comm, short(time.Since(d.At)))
	}
}

// state judges by the state of the channel.
func (j judge) state(s channel.Stats, ch *channel.Channel) {
	switch s.State {
	case state.Error:
		j.say(Unhealthy, "state ERROR: %s", s.Reason)
	case state.Recovering:
		j.say(Degraded, "state RECOVERING: %s", s.Reason)
	case state.Draining, state.Closing:
		if p, ok := ch.Plan(); ok && !p.Deadline.IsZero() && time.Now().After(p.Deadline) {
			j.say(Degraded, "its end was announced by pid %d (%s) for %s ago (%s) and is not done",
				p.PID, p.Comm, short(time.Since(p.Deadline)), p.Reason)
		}
	case state.Active, state.Closed:
	default:
		j.say(Unhealthy, "impossible state %s: the segment is damaged, or its memory is gone",
			s.State)
	}
}

// participant judges by what one participant does.
func (j judge) participant(p channel.Participant, depth uint64, stall time.Duration) {
	h := j.h
	who := fmt.Sprintf("%s %s", p.Role, p.Who)
	quiet := time.Since(p.Progress)
	switch {
	case !p.Alive:
		h.Dead = append(h.Dead, who)
		j.say(Degraded, "%s died", who)
	case p.Stopped:
		h.Stuck = append(h.Stuck, who)
		j.say(Unhealthy, "%s is stopped%s", who, holding(p))
	case p.Busy != "":
		return // it said so, and for how long
	case p.Role == layout.RoleSender && p.Reserved > 0 && p.Waiting == "" && quiet > stall:
		h.Stuck = append(h.Stuck, who)
		j.say(Unhealthy, "%s reserved %d slots and has not committed them, last progress %s ago",
			who, p.Reserved, short(quiet))
	case p.Role == layout.RoleSender && p.Waiting == "space":
		h.FullFor = max(h.FullFor, p.WaitingTime)
		if p.WaitingTime > stall {
			j.say(Degraded, "%s has waited for room for %s", who, short(p.WaitingTime))
		}
	case p.Role == layout.RoleReceiver && depth > 0 && p.Waiting != "data" && quiet > stall:
		h.OldestWait = max(h.OldestWait, quiet)
		h.Stuck = append(h.Stuck, who)
		j.say(Unhealthy, "%s%s, last progress %s ago, %d slots wait", who, holding(p), short(quiet),
			depth)
	}
}

func holding(p channel.Participant) string {
	switch p.Held {
	case 0:
		return ""
	case 1:
		return ", holding 1 message"
	}
	return fmt.Sprintf(", holding %d messages", p.Held)
}

// trend judges by the looks before.
func (j judge) trend() {
	if h := j.h; h.FullIn > 0 && h.FullIn < soonFull {
		j.say(Degraded, "full in %s at this rate", short(h.FullIn))
	}
}

// space judges the file system of the segments.
func (j judge) space(dir string) {
	free, total, err := shm.Space(dir)
	if err == nil && total > 0 && float64(free) < lowMemory*float64(total) && free < lowMemoryIn {
		j.say(Degraded, "%d of %d bytes of the file system of the segments are free", free, total)
	}
}

// unfollowed returns the death of a receiver that has no successor.
func unfollowed(s channel.Stats) (channel.Death, bool) {
	for _, d := range s.Deaths {
		if d.Role == layout.RoleReceiver && d.Instance == s.DeadReceiver {
			return d, true
		}
	}
	return channel.Death{}, false
}

func short(d time.Duration) time.Duration {
	if d >= 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}
