package channel_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"

	"shmring/channel"
)

// A party is one goroutine that makes calls while a hostile writes.
type party struct {
	h    *hostile
	rnd  *rand.Rand
	ch   *channel.Channel
	tx   *channel.Sender
	rx   *channel.Receiver
	ev   *channel.Event
	held []channel.Message
	sum  byte // of all bytes that were handed out
}

// party makes the calls of a role until the round is over, and gives everything back.
func (h *hostile) party(who uint64, role func(*party)) {
	p := &party{h: h, rnd: h.rand(who)}
	for !h.over() {
		role(p)
	}
	p.leave()
}

func (p *party) call(name string, f func(ctx context.Context) error) {
	p.h.call(p.rnd, name, f)
}

func (p *party) below(n int) int { return p.rnd.IntN(n) }

func (p *party) payload() []byte {
	return make([]byte, p.below(p.below(min(1000, p.ch.MaxMessage()+2))+1))
}

// attach gives the party a channel, read-only or not.
func (p *party) attach(readOnly bool) bool {
	if p.ch == nil {
		o := p.h.opts.OpenOptions
		o.ReadOnly, o.RequirePeer = readOnly, p.below(4) == 0
		p.call("Open", func(ctx context.Context) (err error) {
			p.ch, err = channel.Open(ctx, "q", o)
			if errors.Is(err, fs.ErrNotExist) {
				p.h.end() // somebody shut it down
			}
			return err
		})
	}
	return p.ch != nil
}

// leave closes everything.
func (p *party) leave() {
	for _, m := range p.held {
		m.Release()
	}
	p.held = nil
	closed := func(name string, f func() error) {
		p.call(name, func(context.Context) error { return f() })
	}
	if p.tx != nil {
		closed("Sender.Close", p.tx.Close)
	}
	if p.rx != nil {
		closed("Receiver.Close", p.rx.Close)
	}
	if p.ev != nil {
		closed("Event.Close", p.ev.Close)
	}
	if p.ch != nil {
		closed("Channel.Close", p.ch.Close)
	}
	p.tx, p.rx, p.ev, p.ch = nil, nil, nil, nil
}

// one makes one call of a table at random. Whoever is told that it is over comes anew, and
// damage that was found makes room for other damage.
func (p *party) one(table callTable, names []string) {
	name := names[p.below(len(names))]
	over, damaged := false, false
	p.call(name, func(ctx context.Context) error {
		err := table[name](p, ctx)
		over = errors.Is(err, io.EOF) || errors.Is(err, channel.ErrClosed)
		damaged = errors.Is(err, channel.ErrCorrupt) || errors.Is(err, channel.ErrState)
		return err
	})
	if over {
		p.leave()
	}
	if damaged && p.ch != nil && p.below(4) == 0 {
		p.h.flippers[0].heal(p.rnd)
	}
}

// send is one call of a sender.
func (p *party) send() {
	if !p.attach(false) {
		return
	}
	if p.tx == nil {
		name, claim := "Channel.TrySender", func(context.Context) (*channel.Sender, error) {
			return p.ch.TrySender()
		}
		if p.below(2) == 0 {
			name, claim = "Channel.Sender", p.ch.Sender
		}
		p.call(name, func(ctx context.Context) (err error) {
			p.tx, err = claim(ctx)
			return err
		})
	}
	if p.tx == nil || p.below(500) == 0 {
		p.leave()
		return
	}
	p.one(senderCalls, senderNames)
}

// receive is one call of a receiver.
func (p *party) receive() {
	if !p.attach(false) {
		return
	}
	if p.rx == nil {
		name, claim := "Channel.TryReceiver", func(context.Context) (*channel.Receiver, error) {
			return p.ch.TryReceiver()
		}
		if p.below(2) == 0 {
			name, claim = "Channel.Receiver", p.ch.Receiver
		}
		p.call(name, func(ctx context.Context) (err error) {
			p.rx, err = claim(ctx)
			return err
		})
	}
	if p.rx == nil || p.below(500) == 0 {
		p.leave()
		return
	}
	for len(p.held) > p.below(8) {
		i := p.below(len(p.held))
		m := p.held[i]
		p.held = append(p.held[:i], p.held[i+1:]...)
		p.call("Message.Release", func(context.Context) error { m.Release(); return nil })
		p.call("Message.Release", func(context.Context) error { m.Release(); return nil })
	}
	p.one(receiverCalls, receiverNames)
}

// observe is one call of somebody who may only read.
func (p *party) observe() {
	if !p.attach(true) || p.below(300) == 0 {
		p.leave()
		return
	}
	p.one(observerCalls, observerNames)
}

// control is one call that ends, repairs or asks.
func (p *party) control() {
	if !p.attach(false) || p.below(100) == 0 {
		p.leave()
		return
	}
	if p.below(12) == 0 {
		p.one(controllerCalls, controllerNames)
		return
	}
	p.one(observerCalls, observerNames)
}

// event is one call of an event.
func (p *party) event() {
	if p.ev == nil {
		p.call("OpenEvent", func(ctx context.Context) (err error) {
			p.ev, err = channel.OpenEvent(ctx, "e", channel.OpenOptions{ReadOnly: p.below(8) == 0})
			return err
		})
	}
	if p.ev == nil || p.below(500) == 0 {
		p.leave()
		return
	}
	p.one(eventCalls, eventNames)
}

// open is one call that makes an attachment, or needs none.
func (p *party) open() { p.one(openCalls, openNames) }

// took keeps a message, after a look at all of it.
func (p *party) took(m channel.Message, err error) error {
	if err != nil {
		return err
	}
	p.inPlace(p.rx.Channel(), m.Bytes())
	p.held = append(p.held, m)
	return nil
}

// yielded is the error of a loop, which a loop that was left has not.
func yielded[T any](seq func(func(T, error) bool), use func(T) bool) (err error) {
	for v, e := range seq {
		if e != nil {
			err = e // once, at the end
			continue
		}
		if !use(v) {
			break
		}
	}
	return err
}
