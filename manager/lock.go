package manager

import (
	"context"
	"errors"
	"fmt"

	"shmring/channel"
)

// A Lock is held by this process until Unlock, or until it dies.
type Lock struct {
	name string
	ch   *channel.Channel
}

// LockPrefix begins the names of the segments of locks, which keeps them apart from channels.
const LockPrefix = "lock."

// Lock takes the lock of a name, which excludes every other Lock of that name in the
// directory, in this process and in others. While somebody has it, it waits without using
// the processor. The kernel frees the lock when its holder dies, by whatever signal, and
// those who wait learn of it within milliseconds: there is no lease to renew and no stale
// lock to break. What the lock guards may be half done then.
//
// A lock is the role of the receiver of an empty channel, whose file goes with its last
// user.
func (m *Manager) Lock(ctx context.Context, name string) (*Lock, error) {
	return m.lock(ctx, name, (*channel.Channel).Receiver)
}

// TryLock is Lock that does not wait for the holder: channel.ErrBusy says who that is.
func (m *Manager) TryLock(ctx context.Context, name string) (*Lock, error) {
	try := func(ch *channel.Channel, _ context.Context) (*channel.Receiver, error) {
		return ch.TryReceiver()
	}
	return m.lock(ctx, name, try)
}

func (m *Manager) lock(
	ctx context.Context, name string,
	take func(*channel.Channel, context.Context) (*channel.Receiver, error),
) (*Lock, error) {
	m.mu.Lock()
	closed := m.closed
	m.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	ctx, cancel := m.bounded(ctx)
	defer cancel()
	var o channel.Options
	o.Slots, o.SlotSize, o.ArenaBytes, o.MaxParticipants = 1, 16, channel.NoArena, 4
	o.Dir, o.Logger = m.opts.Dir, m.opts.Logger
	ch, err := channel.OpenOrCreate(ctx, LockPrefix+name, o)
	if err == nil {
		if _, err = take(ch, ctx); err != nil {
			err = errors.Join(err, ch.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("manager: lock %q: %w", name, err)
	}
	return &Lock{name: name, ch: ch}, nil
}

// Unlock frees the lock. A second Unlock returns channel.ErrClosed.
func (l *Lock) Unlock() error {
	if err := l.ch.Close(); err != nil {
		return fmt.Errorf("manager: unlock %q: %w", l.name, err)
	}
	return nil
}
