package bench

import (
	"context"
	"fmt"
	"math/bits"
	"testing"

	"shmring/channel"
)

func BenchmarkSize(b *testing.B) { sizes().benchmark(b) }

const (
	kib = 1 << 10
	mib = 1 << 20
)

// minRoom is the arena of messages that need no larger one: the default.
const minRoom = channel.DefaultArenaBytes

// roomFor is the arena for messages of a size: four fit, so that both sides are at it.
func roomFor(size int) int { return max(minRoom, 1<<bits.Len(uint(4*size-1))) }

// sizeName spells a size as people do.
func sizeName(size int) string {
	switch {
	case size >= mib && size%mib == 0:
		return fmt.Sprintf("%dMiB", size/mib)
	case size >= kib && size%kib == 0:
		return fmt.Sprintf("%dKiB", size/kib)
	}
	return fmt.Sprintf("%dB", size)
}

// fewOf is how many messages of a size a test sends.
func fewOf(size int) uint64 { return uint64(max(4, min(1000, 4*mib/size))) }

// lapOf is how many messages of a size touch every page of their arena.
func lapOf(size int) uint64 { return uint64(max(4, min(2*minRoom/kib, roomFor(size)/size))) }

// copySizes are those for which a copy is worth a comparison.
var copySizes = []int{
	kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib, 4 * mib, 16 * mib,
}

func sizes() group {
	var g group
	for _, size := range append([]int{8, 32, 64, 256}, copySizes...) {
		g = append(g, benchCase{"in-place/" + sizeName(size), bySize("reserve", size), fewOf(size)})
	}
	for _, size := range copySizes {
		g = append(g, benchCase{"copy/" + sizeName(size), bySize("copy-in", size), fewOf(size)})
	}
	return g
}

// bySize moves messages of one size from a peer of the given kind to this process.
func bySize(kind string, size int) func(*run) {
	return func(r *run) {
		r.begin()
		r.bytes(int64(size))
		// Both sides spin, as those of the bare copy do: a large message takes longer than the
		// default spin.
		o := channel.Options{Kind: channel.SPSC, ArenaBytes: roomFor(size)}
		o.Spin = spinAlways
		ch := r.create("size", o)
		rx, err := ch.TryReceiver()
		r.check(err)
		r.peer(job{Kind: kind, Channels: []string{"size"}, Size: size, Spin: spinAlways})
		take := takeInPlace(rx, size)
		if kind == "copy-in" {
			take = takeCopy(rx, size)
		}
		r.exchange(lapOf(size), each(take), sleepsAndWakes(ch), nil)
		r.end()
	}
}

// takeInPlace reads every byte where it is.
func takeInPlace(rx *channel.Receiver, size int) func(n uint64) error {
	ctx := context.Background()
	return func(n uint64) error {
		m, err := rx.Recv(ctx)
		if err != nil {
			return err
		}
		if len(m.Bytes()) != size || !checkLong(m.Bytes(), n) {
			return wrong(m.Bytes(), n)
		}
		m.Release()
		return nil
	}
}

// takeCopy copies the message out and looks at both ends of the copy.
func takeCopy(rx *channel.Receiver, size int) func(n uint64) error {
	ctx := context.Background()
	dst := make([]byte, 0, size)
	return func(n uint64) error {
		got, err := rx.RecvAppend(ctx, dst)
		if err != nil {
			return err
		}
		if len(got) != size || !checkEnds(got, n) {
			return wrong(got, n)
		}
		return nil
	}
}

// reservePeer writes every byte where it will be read.
func reservePeer(p *peer) error {
	return p.withSender(func(tx *channel.Sender) func(n uint64) error {
		ctx := context.Background()
		return func(n uint64) error {
			l, err := tx.Reserve(ctx, p.Size)
			if err != nil {
				return err
			}
			fillLong(l.Bytes(), n)
			return l.Commit(p.Size)
		}
	})
}

// copyInPeer copies messages of its own memory in.
func copyInPeer(p *peer) error {
	return p.withSender(func(tx *channel.Sender) func(n uint64) error {
		ctx := context.Background()
		buf := make([]byte, p.Size)
		fillLong(buf, 0)
		return func(n uint64) error {
			fillEnds(buf, n)
			return tx.Send(ctx, buf)
		}
	})
}

// withSender serves as a sender of the job's channel.
func (p *peer) withSender(work func(*channel.Sender) func(n uint64) error) error {
	ch, err := p.open(0)
	if err != nil {
		return err
	}
	defer ch.Close() //nolint:errcheck // the parent looks for what is left
	tx, err := ch.Sender(context.Background())
	if err != nil {
		return err
	}
	return p.serve(each(work(tx)), nil)
}
