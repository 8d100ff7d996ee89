package guard

import (
	"context"
	"fmt"

	"shmring/channel"
)

// lap is how many messages a path moves before it is back where it began: what happens
// only now and then, as publishing and counting, happens in each.
const lap = 256

// A path is a way through the channel. It moves lap messages from a sender to a receiver,
// of which neither ever waits.
type path struct {
	ctx   context.Context
	tx    *channel.Sender
	rx    *channel.Receiver
	buf   []byte
	dst   []byte
	batch [][]byte
	msgs  []channel.Message
}

func newPath(ch *channel.Channel) (*path, error) {
	tx, err := ch.TrySender()
	if err != nil {
		return nil, err
	}
	rx, err := ch.TryReceiver()
	if err != nil {
		return nil, err
	}
	p := &path{
		ctx: context.Background(), tx: tx, rx: rx, buf: make([]byte, size),
		dst: make([]byte, 0, 2*size), msgs: make([]channel.Message, 32),
	}
	for range len(p.msgs) {
		p.batch = append(p.batch, make([]byte, size))
	}
	return p, nil
}

// A half is what one side does with a lap.
type half struct {
	name string
	run  func(*path) error
}

// The halves of paths. Each send goes with each receive.
var (
	sends = []half{
		{"Send", func(p *path) error {
			for range lap {
				if err := p.tx.Send(p.ctx, p.buf); err != nil {
					return err
				}
			}
			return nil
		}},
		{"SendBatch", func(p *path) error {
			for range lap / len(p.batch) {
				if n, err := p.tx.SendBatch(p.ctx, p.batch); n != len(p.batch) || err != nil {
					return fmt.Errorf("%d: %w", n, err)
				}
			}
			return nil
		}},
		{"Reserve, Commit", func(p *path) error {
			for range lap {
				l, err := p.tx.Reserve(p.ctx, size)
				if err != nil {
					return err
				}
				copy(l.Bytes(), p.buf)
				if err := l.Commit(size); err != nil {
					return err
				}
			}
			return nil
		}},
	}
	receives = []half{
		{"Recv, Release", func(p *path) error {
			for range lap {
				m, err := p.rx.Recv(p.ctx)
				if err != nil {
					return err
				}
				m.Release()
			}
			return nil
		}},
		{"RecvBatch, ReleaseBatch", func(p *path) error {
			for n := 0; n < lap; {
				k, err := p.rx.RecvBatch(p.ctx, p.msgs)
				if err != nil {
					return err
				}
				p.rx.ReleaseBatch(p.msgs[:k])
				n += k
			}
			return nil
		}},
		{"RecvAppend", func(p *path) error {
			for range lap {
				if _, err := p.rx.RecvAppend(p.ctx, p.dst); err != nil {
					return err
				}
			}
			return nil
		}},
	}
)

// kinds are the channels that paths lead through.
var kinds = []channel.Kind{channel.SPSC, channel.MPSC}

// options of the channel of a path: a lap fits.
func options(kind channel.Kind) channel.Options {
	return channel.Options{
		Kind: kind, Slots: 2 * lap, OpenOptions: channel.OpenOptions{Spin: -1},
	}
}
