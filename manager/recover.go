package manager

import (
	"context"

	"shmring/channel"
)

// Recover brings a channel back from state ERROR, as channel.Channel.Recover does: the
// dead are settled, damaged slots made passable, waiters woken, and the ring checked, all
// under the control lock; whoever dies over it is completed by the next. It tries again
// while somebody holds what it needs. A channel that is well stays as it is.
func (m *Manager) Recover(ctx context.Context, name string) (channel.Recovery, error) {
	c, err := m.Channel(name)
	if err != nil {
		return channel.Recovery{}, err
	}
	var r channel.Recovery
	err = c.operate(ctx, OpRecover, func(ctx context.Context) (int, error) {
		return 0, m.with(ctx, name, func(ch *channel.Channel) (err error) {
			r, err = ch.Recover(ctx)
			return err
		})
	})
	return r, err
}
