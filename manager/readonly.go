package manager

import (
	"context"
	"fmt"

	"shmring/channel"
	"shmring/state"
)

// looked is for a channel that was opened read-only, and that something depends on which is
// to end: it cannot be ended here, but may have been elsewhere.
func (e *ending) looked(ctx context.Context, c *Channel) (channel.Report, error) {
	r := channel.Report{Name: c.name, State: state.Closed}
	err := e.m.look(ctx, c.name, func(ch *channel.Channel) error {
		if r.State = ch.State(); r.State != state.Closed {
			return fmt.Errorf("manager: end %q: %w", c.name, errOnlyLooks)
		}
		return nil
	})
	return r, err
}

// errOnlyLooks is for the end of a channel that was declared read-only.
var errOnlyLooks = fmt.Errorf("%w: it is opened read-only here: let a process end it that "+
	"opened it otherwise", channel.ErrState)

// onlyLooks reports whether a registered channel is one that this Manager may not change.
func (m *Manager) onlyLooks(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.channels[name]
	return c != nil && c.spec.ReadOnly
}
