package bench

import (
	"context"
	"encoding/binary"
	"fmt"

	"shmring/channel"
)

// due are the numbers that come next, by sender.
type due [maxSenders]uint64

// next reports whether b is the next message of the sender that it names.
func (d *due) next(b []byte) bool {
	if len(b) != smallSize {
		return false
	}
	sender := binary.LittleEndian.Uint64(b) >> senderShift
	if sender >= maxSenders || !check32(b, sender<<senderShift|d[sender]) {
		return false
	}
	d[sender]++
	return true
}

// receiveEach receives small messages one by one.
func receiveEach(rx *channel.Receiver) stint {
	ctx := context.Background()
	return func(from, to uint64) error {
		for n := from; n < to; n++ {
			m, err := rx.Recv(ctx)
			if err != nil {
				return err
			}
			if !check32(m.Bytes(), n) {
				return wrong(m.Bytes(), n)
			}
			m.Release()
		}
		return nil
	}
}

// receiveMany receives small messages of several senders one by one.
func receiveMany(rx *channel.Receiver, d *due) stint {
	ctx := context.Background()
	return func(from, to uint64) error {
		for range to - from {
			m, err := rx.Recv(ctx)
			if err != nil {
				return err
			}
			if !d.next(m.Bytes()) {
				return fmt.Errorf("no sender's next message: %x", m.Bytes())
			}
			m.Release()
		}
		return nil
	}
}

// receiveBatches receives and releases up to batch messages at once.
func receiveBatches(
	rx *channel.Receiver, batch int, sound func(b []byte, n uint64) bool,
) stint {
	ctx := context.Background()
	dst := make([]channel.Message, batch)
	return func(from, to uint64) error {
		for n := from; n < to; {
			k, err := rx.RecvBatch(ctx, dst[:min(uint64(batch), to-n)])
			if err != nil {
				return err
			}
			for i := range dst[:k] {
				if b := dst[i].Bytes(); !sound(b, n) {
					return wrong(b, n)
				}
				n++
			}
			rx.ReleaseBatch(dst[:k])
		}
		return nil
	}
}

// sendPeer sends small messages, one by one or in batches.
func sendPeer(p *peer) error {
	ch, err := p.open(0)
	if err != nil {
		return err
	}
	defer ch.Close() //nolint:errcheck // the parent looks for what is left
	tx, err := ch.Sender(context.Background())
	if err != nil {
		return err
	}
	if p.Batch > 1 {
		return p.serve(p.sendBatches(tx), nil)
	}
	return p.serve(p.sendEach(tx), nil)
}

func (p *peer) sendEach(tx *channel.Sender) stint {
	ctx := context.Background()
	buf := make([]byte, p.Size)
	return func(from, to uint64) error {
		for n := from; n < to; n++ {
			fill32(buf, p.Sender<<senderShift|n)
			if err := tx.Send(ctx, buf); err != nil {
				return err
			}
		}
		return nil
	}
}

func (p *peer) sendBatches(tx *channel.Sender) stint {
	ctx := context.Background()
	bufs := make([][]byte, p.Batch)
	for i := range bufs {
		bufs[i] = make([]byte, p.Size)
	}
	fill := fill32
	if p.Size == wordBytes {
		fill = fill8
	}
	return func(from, to uint64) error {
		for n := from; n < to; {
			k := min(uint64(p.Batch), to-n)
			for i, b := range bufs[:k] {
				fill(b, p.Sender<<senderShift|(n+uint64(i)))
			}
			if _, err := tx.SendBatch(ctx, bufs[:k]); err != nil {
				return err
			}
			n += k
		}
		return nil
	}
}
