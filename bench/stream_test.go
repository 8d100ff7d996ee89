package bench

import (
	"testing"

	"shmring/channel"
)

const (
	bigRing    = 16384 // slots: a megabyte, more than the first-level cache holds
	maxSenders = 8
)

func BenchmarkStream(b *testing.B) { streams.benchmark(b) }

var streams = group{
	{"spsc-32B/256-slots/one-by-one", stream{slots: 256}.run},
	{"spsc-32B/256-slots/batch-32", stream{slots: 256, batch: 32}.run},
	{"spsc-32B/16384-slots/one-by-one", stream{slots: bigRing}.run},
	{"spsc-32B/16384-slots/batch-32", stream{slots: bigRing, batch: 32}.run},
	{"spsc-8B/256-slots-of-16/batch-64", stream{slots: 256, slotSize: 16, size: 8, batch: 64}.run},
	{"mpsc-32B/1-sender/one-by-one", stream{slots: 256, kind: channel.MPSC, senders: 1}.run},
	{"mpsc-32B/2-senders/one-by-one", stream{slots: 256, kind: channel.MPSC, senders: 2}.run},
	{"mpsc-32B/4-senders/one-by-one", stream{slots: 256, kind: channel.MPSC, senders: 4}.run},
	{"mpsc-32B/4-senders/batch-32", stream{
		slots: 256, kind: channel.MPSC, senders: 4, batch: 32,
	}.run},
}

// A stream flows from senders, each in a process of its own, to this process.
type stream struct {
	kind     channel.Kind
	senders  int // MPSC only; an SPSC channel has one
	slots    int
	slotSize int // bytes; zero is the default
	size     int // bytes of a message: 8 or, if zero, 32
	batch    int // messages sent and received at once; zero is one by one
}

func (s stream) run(r *run) {
	if s.senders == 0 {
		s.kind, s.senders = channel.SPSC, 1
	}
	if s.size == 0 {
		s.size = smallSize
	}
	r.begin()
	o := channel.Options{Kind: s.kind, Slots: s.slots, SlotSize: s.slotSize}
	ch := r.create("stream", o)
	rx, err := ch.TryReceiver()
	r.check(err)
	for i := range s.senders {
		r.peer(job{
			Kind: "send", Channels: []string{"stream"}, Sender: uint64(i), Size: s.size,
			Batch: s.batch,
		})
	}
	warm := uint64(4 * s.slots)
	r.exchange(warm, s.receiver(rx), sleepsAndWakes(ch), nil)
	r.end()
}

// receiver returns the stint of the receiver.
func (s stream) receiver(rx *channel.Receiver) stint {
	var d due
	switch {
	case s.senders > 1 && s.batch > 1:
		return receiveBatches(rx, s.batch, func(b []byte, _ uint64) bool { return d.next(b) })
	case s.senders > 1:
		return receiveMany(rx, &d)
	case s.batch > 1 && s.size == wordBytes:
		return receiveBatches(rx, s.batch, check8)
	case s.batch > 1:
		return receiveBatches(rx, s.batch, check32)
	}
	return receiveEach(rx)
}
