package manager

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"shmring/channel"
)

// Event returns the event of a name, which it opens, or creates, at the first call, and
// after its user closed it, and closes with the Manager. An event is a sequence and a last
// value of up to channel.MaxEventValue bytes, which every process can wait for and read: a
// broadcast, and a key with its value.
func (m *Manager) Event(ctx context.Context, name string) (*channel.Event, error) {
	m.mu.Lock()
	e, closed := m.events[name], m.closed
	m.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	if usable(e) {
		return e, nil
	}
	ctx, cancel := m.bounded(ctx)
	defer cancel()
	var o channel.EventOptions
	o.Dir, o.Logger = m.opts.Dir, m.opts.Logger
	e, err := channel.OpenOrCreateEvent(ctx, name, o)
	if err != nil {
		return nil, fmt.Errorf("manager: %w", err)
	}
	m.mu.Lock()
	maps.DeleteFunc(m.events, func(_ string, e *channel.Event) bool { return !usable(e) })
	other, closed := m.events[name], m.closed
	if !closed && other == nil {
		m.events[name] = e
	}
	m.mu.Unlock()
	switch {
	case closed:
		other, err = nil, errClosed
	case other == nil:
		return e, nil
	}
	_ = e.Close() // somebody was faster, or the Manager is gone
	return other, err
}

// usable reports whether there is an event that nobody has closed.
func usable(e *channel.Event) bool {
	if e == nil {
		return false
	}
	_, _, err := e.Load()
	return !errors.Is(err, channel.ErrClosed)
}
