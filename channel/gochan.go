package channel

import (
	"context"
	"errors"
	"io"

	"shmring/futex"
	"shmring/ring"
)

// Feed sends every slice that comes from in, until in is closed or an error. A slice that
// was taken from in and not accepted is lost with the error. It runs in the caller's
// goroutine.
func Feed(ctx context.Context, tx *Sender, in <-chan []byte) error {
	for {
		select {
		case p, ok := <-in:
			if !ok {
				return nil
			}
			if err := tx.Send(ctx, p); err != nil {
				return err
			}
		case <-ctx.Done():
			return tx.ch.fail("send", tx.ch.ended(ctx, "waiting for something to send"))
		}
	}
}

// Forward gives a copy of every message to out, until the end of the channel, which
// returns nil, or an error. A message is released when out took it. It runs in the
// caller's goroutine and does not close out.
func Forward(ctx context.Context, rx *Receiver, out chan<- []byte) error {
	for {
		m, err := rx.Recv(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var p []byte
		if err := rx.ch.guardData(func() error { p = m.Clone(); return nil }); err != nil {
			m.Release()
			return rx.ch.fail("recv", err)
		}
		select {
		case out <- p:
			m.Release()
		case <-ctx.Done():
			rx.putBack(m)
			return rx.ch.fail("recv", rx.ch.ended(ctx, "waiting for somebody to take a message"))
		}
	}
}

// putBack makes the message that was received last the one that the next call receives. If
// others were received meanwhile, or the receiver was closed, it is released.
func (rx *Receiver) putBack(m Message) {
	rx.gate.mu.Lock()
	last := !rx.gone && !rx.gate.closed && !rx.kept && rx.cons.NextPos() == m.pos+1
	if last {
		rx.item = ring.Item{Bytes: m.Bytes(), Pos: m.pos, Redelivered: m.Redelivered()}
		rx.kept = true
		if rx.gate.running { // a call that sleeps has it now
			rx.ch.try(func() { futex.Broadcast(rx.ch.dataEvent) })
		}
	}
	rx.gate.mu.Unlock()
	if !last {
		m.Release()
	}
}
