package manager

import (
	"context"
	"errors"
	"io/fs"

	"shmring/channel"
)

// look runs f with a channel: ours if it is open, else a read-only look at its segment. A
// channel that does not exist is passed over.
func (m *Manager) look(
	ctx context.Context, name string, f func(*channel.Channel) error,
) error {
	o := channel.OpenOptions{Dir: m.opts.Dir, ReadOnly: true}
	m.mu.Lock()
	c := m.channels[name]
	m.mu.Unlock()
	if c != nil {
		if ch := c.raw.Load(); ch != nil {
			return f(ch)
		}
		o.Dir, o.AllowUIDs = c.spec.Dir, c.spec.AllowUIDs
	}
	return opened(ctx, name, o, f)
}

// opened runs f with a channel that is open for that call only, also if f panics. One that
// does not exist is passed over.
func opened(
	ctx context.Context, name string, o channel.OpenOptions, f func(*channel.Channel) error,
) (err error) {
	ch, err := channel.Open(ctx, name, o)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() {
		if cerr := ch.Close(); err == nil {
			err = cerr
		}
	}()
	return f(ch)
}

// with runs f with a channel: ours if it is open, else the segment of that name is opened
// for the call. What exists no more, or is no channel, is passed over.
func (m *Manager) with(
	ctx context.Context, name string, f func(*channel.Channel) error,
) error {
	o := channel.OpenOptions{Dir: m.opts.Dir, Logger: m.opts.Logger}
	m.mu.Lock()
	c, r := m.channels[name], m.resources[name]
	m.mu.Unlock()
	if r != nil {
		return nil
	}
	if c != nil {
		if ch := c.raw.Load(); ch != nil {
			return f(ch)
		}
		o = c.spec.OpenOptions
		o.Wait = false
	}
	return opened(ctx, name, o, f)
}
