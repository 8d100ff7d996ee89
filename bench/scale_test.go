package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"shmring/channel"
	"shmring/internal/measure"
)

func BenchmarkScale(b *testing.B) { scales().benchmark(b) }

// scales show what becomes of a message's cost when there is more of something. More
// bytes are BenchmarkSize.
func scales() group {
	var g group
	for _, batch := range []int{1, 32} {
		for _, senders := range []int{1, 2, 4, 8} {
			g = append(g, benchCase{
				fmt.Sprintf("producers/batch-%d/%d", batch, senders), contest(senders, batch), 2000,
			})
		}
	}
	for _, channels := range []int{1, 2, 4, 16, 64} {
		f := flow{name: "scale", size: smallSize, streams: channels}
		g = append(g, flowing(fmt.Sprintf("channels/goroutine-each/%d", channels), 500, f))
		f.inTurn = true
		g = append(g, flowing(fmt.Sprintf("channels/in-turn/%d", channels), 500, f))
	}
	for _, receivers := range []int{1, 100, 1000} {
		g = append(g, flowing(fmt.Sprintf("receivers/%d", receivers), 5, asleep(receivers)))
	}
	for _, batch := range []int{0, 32} {
		for _, slots := range []int{16, 64, 256, 1024, 4096, bigRing} {
			g = append(g, benchCase{
				name: fmt.Sprintf("slots/batch-%d/%d", max(batch, 1), slots),
				body: stream{slots: slots, batch: batch, adaptive: true}.run,
			})
		}
	}
	for _, spin := range []time.Duration{0, -1, spinAlways} {
		for _, rate := range []int{10, 100, 1000, 10_000, 100_000} {
			f := flow{name: "rate", size: smallSize, every: time.Second / time.Duration(rate)}
			f.options.Spin = spin
			g = append(g, flowing(fmt.Sprintf("rate/%s/%d", waitName(spin), rate),
				uint64(max(2, rate/100)), f))
		}
	}
	return g
}

// asleep is messages to receivers that all sleep, each on a channel and in a goroutine of its own:
// what it costs one of many to be woken. How many threads they take, a test of channel counts.
func asleep(receivers int) flow {
	return flow{
		name: "asleep", size: smallSize, streams: receivers, every: time.Millisecond,
		options: channel.Options{
			Slots: 16, ArenaBytes: 64 * kib, OpenOptions: channel.OpenOptions{Spin: -1},
		},
	}
}

// contest has senders that all send as much as they can, until the channel is sealed. So it
// shows who got how much of it: share-min and share-max, of what each would have if all had
// the same.
func contest(senders, batch int) func(*run) {
	return func(r *run) {
		r.begin()
		ch := r.create("contest", channel.Options{Kind: channel.MPSC})
		rx, err := ch.TryReceiver()
		r.check(err)
		for i := range senders {
			r.peer(job{
				Kind: "endless", Channels: []string{"contest"}, Sender: uint64(i), Size: smallSize,
				Batch: batch,
			})
		}
		r.ready()
		count := sleepsAndWakes(ch)
		start := measure.Now() + int64(leadTime)
		r.order(order{Start: start})
		in := newInlet(rx, flow{senders: senders, streams: 1}, 0, 0, senders)
		r.check(in.receive(min(r.n, uint64(senders*channelSlots)))) // warm
		before, from := measure.Spent(count), slices.Clone(in.next)
		r.start()
		start = measure.Now()
		err = in.receive(r.n)
		r.took = time.Duration(measure.Now() - start)
		r.stop()
		r.check(err)
		spent := measure.Spent(count).Minus(before)
		r.shares(from, in.next)
		r.check(ch.Seal("the contest is over"))
		if err := in.receive(1 << 62); !errors.Is(err, io.EOF) {
			r.Fatalf("the end is %v", err)
		}
		theirs := r.answers()
		all := uint64(0)
		for _, n := range in.next {
			all += n
		}
		// What the senders used up is for all that they sent, before and after.
		theirs.CPU = time.Duration(float64(theirs.CPU) * float64(r.n) / float64(all))
		theirs.Switches = theirs.Switches * r.n / all
		theirs.Mallocs = theirs.Mallocs * r.n / all
		r.load(spent.Plus(theirs))
		r.dismiss()
	}
}

// shares reports the smallest and the largest share of a sender.
func (r *run) shares(from, to []uint64) {
	least, most := uint64(1<<63), uint64(0)
	for i := range to {
		least, most = min(least, to[i]-from[i]), max(most, to[i]-from[i])
	}
	fair := float64(r.n) / float64(len(to))
	r.metric(float64(least)/fair, "share-min")
	r.metric(float64(most)/fair, "share-max")
}

// endlessPeer sends until the channel is sealed.
func endlessPeer(p *peer) error {
	ch, err := p.open(0)
	if err != nil {
		return err
	}
	defer ch.Close() //nolint:errcheck // the parent looks for what is left
	tx, err := ch.Sender(context.Background())
	if err != nil {
		return err
	}
	out := newOutlet([]*channel.Sender{tx}, p.Sender, p.Size, p.Batch)
	return p.obey(func(order) error {
		err := out.send(stretch{to: 1 << measure.SenderShift})
		if errors.Is(err, channel.ErrDraining) || errors.Is(err, channel.ErrClosed) {
			return nil
		}
		return err
	}, nil)
}
