package bench

import (
	"context"
	"testing"

	"shmring/channel"
)

func BenchmarkAlone(b *testing.B) { alones.benchmark(b) }

// alones are both ends of a channel in one goroutine: no line moves and nobody waits, so what is
// left is what the calls execute. A stream of two processes shares that between two cores.
var alones = group{
	{name: "spsc-32B/send-and-receive", body: alone(channel.SPSC, aloneEach)},
	{name: "mpsc-32B/send-and-receive", body: alone(channel.MPSC, aloneEach)},
	{name: "spsc-32B/in-place", body: alone(channel.SPSC, aloneInPlace)},
	{name: "spsc-32B/batch-32", body: alone(channel.SPSC, aloneBatch)},
	{name: "mpsc-32B/batch-32", body: alone(channel.MPSC, aloneBatch)},
}

// both are the two ends.
type both struct {
	tx *channel.Sender
	rx *channel.Receiver
}

func alone(kind channel.Kind, work func(both, uint64) error) func(*run) {
	return func(r *run) {
		r.begin()
		ch := r.channel("alone", kind, 0)
		tx, err := ch.TrySender()
		r.check(err)
		rx, err := ch.TryReceiver()
		r.check(err)
		r.goRun(func() error { return work(both{tx, rx}, r.n) })
	}
}

func aloneEach(e both, n uint64) error {
	ctx := context.Background()
	buf := make([]byte, smallSize)
	for i := range n {
		fill32(buf, i)
		if err := e.tx.Send(ctx, buf); err != nil {
			return err
		}
		if err := e.receive(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func aloneInPlace(e both, n uint64) error {
	ctx := context.Background()
	for i := range n {
		l, err := e.tx.Reserve(ctx, smallSize)
		if err != nil {
			return err
		}
		fill32(l.Bytes(), i)
		if err := l.Commit(smallSize); err != nil {
			return err
		}
		if err := e.receive(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (e both) receive(ctx context.Context, n uint64) error {
	m, err := e.rx.Recv(ctx)
	if err != nil {
		return err
	}
	if !check32(m.Bytes(), n) {
		return wrong(m.Bytes(), n)
	}
	m.Release()
	return nil
}

func aloneBatch(e both, n uint64) error {
	ctx := context.Background()
	const batch = 32
	in := receiveBatches(e.rx, batch, check32)
	bufs := make([][]byte, batch)
	for i := range bufs {
		bufs[i] = make([]byte, smallSize)
	}
	for from := uint64(0); from < n; {
		k := min(batch, n-from)
		for i, b := range bufs[:k] {
			fill32(b, from+uint64(i))
		}
		if _, err := e.tx.SendBatch(ctx, bufs[:k]); err != nil {
			return err
		}
		if err := in(from, from+k); err != nil {
			return err
		}
		from += k
	}
	return nil
}
