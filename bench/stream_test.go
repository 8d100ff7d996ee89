package bench

import (
	"testing"

	"shmring/channel"
)

const (
	bigRing    = 16384 // slots: a megabyte, more than the first-level cache holds
	maxSenders = 8

	channelSlots = channel.DefaultSlots
)

func BenchmarkStream(b *testing.B) { streams.benchmark(b) }

var streams = group{
	{name: "spin/spsc-32B/256-slots/one-by-one", body: stream{slots: 256}.run},
	{name: "spin/spsc-32B/256-slots/batch-32", body: stream{slots: 256, batch: 32}.run},
	{name: "spin/spsc-32B/16384-slots/one-by-one", body: stream{slots: bigRing}.run},
	{name: "spin/spsc-32B/16384-slots/batch-32", body: stream{slots: bigRing, batch: 32}.run},
	{name: "spin/spsc-8B/256-slots-of-16B/batch-64", body: stream{
		slots: 256, slotSize: 16, size: wordBytes, batch: 64,
	}.run},
	{name: "adaptive/spsc-32B/256-slots/one-by-one", body: stream{slots: 256, adaptive: true}.run},
	{name: "adaptive/spsc-32B/256-slots/batch-32", body: stream{
		slots: 256, batch: 32, adaptive: true,
	}.run},
	{name: "adaptive/mpsc-32B/1-sender/one-by-one", body: stream{slots: 256, senders: 1}.run},
	{name: "adaptive/mpsc-32B/2-senders/one-by-one", body: stream{slots: 256, senders: 2}.run},
	{name: "adaptive/mpsc-32B/4-senders/one-by-one", body: stream{slots: 256, senders: 4}.run},
	{name: "adaptive/mpsc-32B/1-sender/batch-32", body: stream{
		slots: 256, senders: 1, batch: 32,
	}.run},
	{name: "adaptive/mpsc-32B/2-senders/batch-32", body: stream{
		slots: 256, senders: 2, batch: 32,
	}.run},
	{name: "adaptive/mpsc-32B/4-senders/batch-32", body: stream{
		slots: 256, senders: 4, batch: 32,
	}.run},
}

// A stream flows from senders, each in a process of its own, to this process.
type stream struct {
	senders  int  // zero is the only one of an SPSC channel, others make it MPSC
	slots    int  // of the ring
	slotSize int  // bytes; zero is the default
	size     int  // bytes of a message: 8 or, if zero, 32
	batch    int  // messages sent and received at once; zero is one by one
	adaptive bool // waits as channels do by default; SPSC streams spin else
}

func (s stream) run(r *run) {
	o := channel.Options{Kind: channel.MPSC, Slots: s.slots, SlotSize: s.slotSize}
	if s.senders == 0 {
		o.Kind, s.senders = channel.SPSC, 1
		if !s.adaptive {
			r.needTwoCores()
			o.Spin = spinAlways
		}
	}
	if s.size == 0 {
		s.size = smallSize
	}
	r.begin()
	ch := r.create("stream", o)
	rx, err := ch.TryReceiver()
	r.check(err)
	for i := range s.senders {
		r.peer(job{
			Kind: "send", Channels: []string{"stream"}, Sender: uint64(i), Size: s.size,
			Batch: s.batch, Spin: o.Spin,
		})
	}
	r.exchange(uint64(4*s.slots), s.receiver(rx), sleepsAndWakes(ch), nil)
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
