package link

import (
	"context"
	"errors"
	"sync"

	"shmring/channel"
)

// A port sends frames into one channel. Its calls take turns; a lease keeps the turn.
type port struct {
	tx   *channel.Sender
	turn chan struct{} // holds one element while nobody has the turn

	// owned by whoever has the turn
	buf   []byte
	parts [][]byte
}

// keepBuf is how large a buffer for frames may stay between calls.
const keepBuf = 64 << 10

func newPort(tx *channel.Sender) *port {
	p := &port{tx: tx, turn: make(chan struct{}, 1)}
	p.turn <- struct{}{}
	return p
}

func (p *port) take(ctx context.Context) error {
	select {
	case <-p.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *port) give() { p.turn <- struct{}{} }

// send sends a copy of one frame.
func (p *port) send(ctx context.Context, f Frame) error {
	if err := p.take(ctx); err != nil {
		return err
	}
	defer p.give()
	l, err := p.tx.Reserve(ctx, HeaderSize+len(f.Payload))
	if err != nil {
		return err
	}
	b := l.Bytes()
	f.putHeader(b)
	return l.Commit(HeaderSize + copy(b[HeaderSize:], f.Payload))
}

// sendBatch sends frames in order and returns how many were accepted.
func (p *port) sendBatch(ctx context.Context, fs []Frame) (int, error) {
	if err := p.take(ctx); err != nil {
		return 0, err
	}
	defer p.give()
	return p.tx.SendBatch(ctx, p.encode(fs))
}

// errControl ends a wait for room.
var errControl = errors.New("a control message came")

// sendStep sends what there is room for. Without room it waits for some, or for a
// control message, which is errControl.
func (p *port) sendStep(
	ctx context.Context, fs []Frame, control *channel.Receiver,
) (int, error) {
	if err := p.take(ctx); err != nil {
		return 0, err
	}
	defer p.give()
	n, err := p.tx.TrySendBatch(p.encode(fs))
	if n > 0 || !errors.Is(err, channel.ErrFull) {
		return n, err
	}
	if len(fs[0].Payload) > keepBuf { // Wait is about messages that fit a slot
		return p.tx.SendBatch(ctx, p.parts[:1])
	}
	switch which, err := channel.Wait(ctx, control, p.tx); {
	case err != nil:
		return 0, err
	case which == 0:
		return 0, errControl
	}
	return p.tx.SendBatch(ctx, p.parts[:1]) // it may still wait for room in the arena
}

// encode returns the messages of frames, which are valid until the turn is given back.
func (p *port) encode(fs []Frame) [][]byte {
	size := 0
	for _, f := range fs {
		size += HeaderSize + len(f.Payload)
	}
	if cap(p.buf) < size {
		p.buf = make([]byte, 0, size)
	}
	buf := p.buf[:0]
	p.parts = p.parts[:0]
	for _, f := range fs {
		from := len(buf)
		buf = buf[:from+HeaderSize]
		f.putHeader(buf[from:])
		buf = append(buf, f.Payload...)
		p.parts = append(p.parts, buf[from:])
	}
	if cap(p.buf) > keepBuf {
		p.buf = nil // for the next time; the parts keep it until then
	}
	return p.parts
}

// reserve makes room for a frame with a payload of at most n bytes, and writes its header.
func (p *port) reserve(ctx context.Context, f Frame, n int) (Lease, error) {
	if err := p.take(ctx); err != nil {
		return Lease{}, err
	}
	l, err := p.tx.Reserve(ctx, HeaderSize+max(n, 0))
	if err != nil {
		p.give()
		return Lease{}, err
	}
	f.putHeader(l.Bytes())
	return Lease{lease: l, done: sync.OnceFunc(p.give)}, nil
}
