package channel_test

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"shmring/channel"
)

// A callTable says how a public call is made; its key is the call's name. Whatever a
// party needs for it is there.
type callTable = map[string]func(p *party, ctx context.Context) error

var (
	senderNames     = slices.Sorted(maps.Keys(senderCalls))
	receiverNames   = slices.Sorted(maps.Keys(receiverCalls))
	observerNames   = slices.Sorted(maps.Keys(observerCalls))
	controllerNames = slices.Sorted(maps.Keys(controllerCalls))
	eventNames      = slices.Sorted(maps.Keys(eventCalls))
	openNames       = slices.Sorted(maps.Keys(openCalls))
)

var senderCalls = callTable{
	"Sender.Send": func(p *party, ctx context.Context) error {
		return p.tx.Send(ctx, p.payload())
	},
	"Sender.TrySend": func(p *party, _ context.Context) error {
		return p.tx.TrySend(p.payload())
	},
	"Sender.SendBatch": func(p *party, ctx context.Context) error {
		_, err := p.tx.SendBatch(ctx, [][]byte{p.payload(), {}, p.payload(), p.payload()})
		return err
	},
	"Sender.TrySendBatch": func(p *party, _ context.Context) error {
		_, err := p.tx.TrySendBatch([][]byte{p.payload(), {}, p.payload()})
		return err
	},
	"Sender.Reserve": func(p *party, ctx context.Context) error {
		return p.fill(p.tx.Reserve(ctx, p.below(600)))
	},
	"Sender.TryReserve": func(p *party, _ context.Context) error {
		return p.fill(p.tx.TryReserve(p.below(600)))
	},
	"Sender.SendFunc": func(p *party, ctx context.Context) error {
		return p.tx.SendFunc(ctx, p.below(600), func(b []byte) (int, error) {
			p.inPlace(p.ch, b)
			clear(b)
			return p.below(len(b) + 1), nil
		})
	},
	"Sender.Busy": func(p *party, _ context.Context) error {
		p.tx.Busy("a note", time.Second)()
		return nil
	},
	"Sender.Channel": func(p *party, _ context.Context) error { p.tx.Channel(); return nil },
	"Sender.Close": func(p *party, _ context.Context) error {
		if p.below(20) != 0 {
			return nil
		}
		err := p.tx.Close()
		p.tx = nil
		return err
	},
	"Typed.Send": func(p *party, ctx context.Context) error { return numbers().Send(ctx, p.tx, 7) },
	"Writer.Write": func(p *party, ctx context.Context) error {
		_, err := channel.NewWriter(ctx, p.tx).Write(p.payload())
		return err
	},
	"Writer.ReadFrom": func(p *party, ctx context.Context) error {
		_, err := channel.NewWriter(ctx, p.tx).ReadFrom(strings.NewReader(string(p.payload())))
		return err
	},
	"Feed": func(p *party, ctx context.Context) error {
		in := make(chan []byte, 2)
		in <- p.payload()
		in <- p.payload()
		close(in)
		return channel.Feed(ctx, p.tx, in)
	},
	"Wait": func(p *party, ctx context.Context) error {
		_, err := channel.Wait(ctx, p.tx)
		return err
	},
}

// numbers is the codec of a number.
func numbers() channel.Typed[uint64] {
	codec, err := channel.NewPlain[uint64]()
	if err != nil {
		panic(err)
	}
	return channel.NewTyped(codec)
}

// fill ends a lease, one way or the other, and once more.
func (p *party) fill(l channel.Lease, err error) error {
	if err != nil {
		return err
	}
	b := l.Bytes()
	p.inPlace(p.ch, b)
	clear(b)
	if p.below(3) == 0 {
		l.Abort()
	}
	err = l.Commit(p.below(len(b) + 1))
	l.Abort()
	return err
}

var receiverCalls = callTable{
	"Receiver.Recv":    func(p *party, ctx context.Context) error { return p.took(p.rx.Recv(ctx)) },
	"Receiver.TryRecv": func(p *party, _ context.Context) error { return p.took(p.rx.TryRecv()) },
	"Receiver.RecvAppend": func(p *party, ctx context.Context) error {
		b, err := p.rx.RecvAppend(ctx, nil)
		p.inside(p.ch, b)
		return err
	},
	"Receiver.RecvBatch": func(p *party, ctx context.Context) error {
		ms := make([]channel.Message, 4)
		n, err := p.rx.RecvBatch(ctx, ms)
		for _, m := range ms[:n] {
			_ = p.took(m, nil)
		}
		return err
	},
	"Receiver.ReleaseBatch": func(p *party, _ context.Context) error {
		p.rx.ReleaseBatch(p.held)
		p.held = nil
		return nil
	},
	"Receiver.Messages": func(p *party, ctx context.Context) error {
		return yielded(p.rx.Messages(ctx), func(m channel.Message) bool {
			p.inPlace(p.ch, m.Bytes())
			return p.below(4) != 0
		})
	},
	"Receiver.Len": func(p *party, _ context.Context) error {
		if n := p.rx.Len(); n < 0 || n > p.ch.Options().Slots+1 {
			p.h.fail("Len is %d", n)
		}
		return nil
	},
	"Receiver.Busy": func(p *party, _ context.Context) error {
		p.rx.Busy("a note", time.Second)()
		return nil
	},
	"Receiver.Channel": func(p *party, _ context.Context) error { p.rx.Channel(); return nil },
	"Receiver.Close": func(p *party, _ context.Context) error {
		if p.below(20) != 0 {
			return nil
		}
		err := p.rx.Close()
		p.rx = nil
		return err
	},
	"Message.Bytes": func(p *party, _ context.Context) error {
		for _, m := range p.held {
			p.inside(p.ch, m.Bytes())
			p.inside(p.ch, m.Clone())
			m.Sent()
			m.Position()
			m.Redelivered()
		}
		return nil
	},
	"Typed.Recv": func(p *party, ctx context.Context) error {
		_, err := numbers().Recv(ctx, p.rx)
		return err
	},
	"Typed.Values": func(p *party, ctx context.Context) error {
		return yielded(numbers().Values(ctx, p.rx), func(uint64) bool { return p.below(4) != 0 })
	},
	"Plain.View": func(p *party, _ context.Context) error {
		codec, err := channel.NewPlain[[3]uint64]()
		for _, m := range p.held {
			if v, verr := codec.View(m); verr == nil {
				p.sum += byte(v[2])
			}
		}
		return err
	},
	"Reader.Read": func(p *party, ctx context.Context) error {
		r := channel.NewReader(ctx, p.rx)
		_, err := r.Read(make([]byte, p.below(64)))
		_ = r.Close()
		return err
	},
	"Reader.WriteTo": func(p *party, ctx context.Context) error {
		r := channel.NewReader(ctx, p.rx)
		_, err := r.WriteTo(io.Discard)
		_ = r.Close()
		return err
	},
	"Forward": func(p *party, ctx context.Context) error {
		return channel.Forward(ctx, p.rx, make(chan []byte, p.below(3)))
	},
	"Wait for one": func(p *party, ctx context.Context) error {
		_, err := channel.Wait(ctx, p.rx)
		return err
	},
}
