package bench

import (
	"context"
	"errors"
	"testing"
	"time"

	"shmring/channel"
)

// spinAlways is longer than any wait while both sides are there.
const spinAlways = time.Second

func BenchmarkRoundTrip(b *testing.B) { roundTrips.benchmark(b) }

var roundTrips = group{
	{name: "spin/spsc-32B", body: roundTrip(channel.SPSC, spinAlways)},
	{name: "spin/mpsc-32B", body: roundTrip(channel.MPSC, spinAlways)},
	{name: "adaptive/spsc-32B", body: roundTrip(channel.SPSC, 0)},
	{name: "park/spsc-32B", body: roundTrip(channel.SPSC, -1)},
	{"one-core/spin/spsc-32B", onOneCore(roundTrip(channel.SPSC, spinAlways)), 20},
	{"one-core/adaptive/spsc-32B", onOneCore(roundTrip(channel.SPSC, 0)), 100},
	{"one-core/park/spsc-32B", onOneCore(roundTrip(channel.SPSC, -1)), 100},
}

// onOneCore pins both sides to the same core, though there are more: who spins there keeps the
// other side from answering, until the kernel takes the core away. It must not stay so.
func onOneCore(body func(*run)) func(*run) {
	return func(r *run) {
		r.together = true
		body(r)
	}
}

// warmTrips is how many round trips are made before the clock starts.
func (r *run) warmTrips() uint64 { return min(1000, r.n) }

// roundTrip sends a message by one channel and receives it back by another.
func roundTrip(kind channel.Kind, spin time.Duration) func(*run) {
	return func(r *run) {
		if spin > 0 && !r.together {
			r.needTwoCores()
		}
		r.begin()
		ctx := context.Background()
		ping, pong := r.channel("ping", kind, spin), r.channel("pong", kind, spin)
		tx, err := ping.TrySender()
		r.check(err)
		rx, err := pong.TryReceiver()
		r.check(err)
		r.peer(job{Kind: "echo", Channels: []string{"ping", "pong"}, Spin: spin})

		buf := make([]byte, smallSize)
		trip := func(n uint64) error {
			fill32(buf, n)
			if err := tx.Send(ctx, buf); err != nil {
				return err
			}
			m, err := rx.Recv(ctx)
			if err != nil {
				return err
			}
			if !check32(m.Bytes(), n) {
				return wrong(m.Bytes(), n)
			}
			m.Release()
			return nil
		}
		r.exchange(r.warmTrips(), each(trip), sleepsAndWakes(ping, pong), newTripTimes(r, trip))
		r.end()
	}
}

// each makes a stint of the work for one number.
func each(trip func(n uint64) error) stint {
	return func(from, to uint64) error {
		for n := from; n < to; n++ {
			if err := trip(n); err != nil {
				return err
			}
		}
		return nil
	}
}

// channel creates a channel that lives as long as the run.
func (r *run) channel(name string, kind channel.Kind, spin time.Duration) *channel.Channel {
	r.Helper()
	return r.create(name, channel.Options{
		Kind: kind, OpenOptions: channel.OpenOptions{Spin: spin},
	})
}

func (r *run) create(name string, o channel.Options) *channel.Channel {
	r.Helper()
	ch, err := channel.Create(context.Background(), name, o)
	if errors.Is(err, channel.ErrNoSpace) {
		r.Skip(err)
	}
	r.check(err)
	r.Cleanup(func() {
		if err := ch.Close(); err != nil {
			r.Error(err)
		}
	})
	return ch
}

// sleepsAndWakes counts the system calls of both ends of the channels: an end enters
// the kernel to sleep and to wake the other one, and for nothing else.
func sleepsAndWakes(chs ...*channel.Channel) func() uint64 {
	return func() uint64 {
		var sum uint64
		for _, ch := range chs {
			for _, p := range ch.Participants() {
				sum += p.Parks + p.Wakes
			}
		}
		return sum
	}
}

// echoPeer sends back what it receives.
func echoPeer(p *peer) error {
	ctx := context.Background()
	ping, err := p.open(0)
	if err != nil {
		return err
	}
	defer ping.Close() //nolint:errcheck // the parent looks for what is left
	pong, err := p.open(1)
	if err != nil {
		return err
	}
	defer pong.Close() //nolint:errcheck // likewise
	rx, err := ping.TryReceiver()
	if err != nil {
		return err
	}
	tx, err := pong.TrySender()
	if err != nil {
		return err
	}
	return p.serve(func(from, to uint64) error {
		for n := from; n < to; n++ {
			m, err := rx.Recv(ctx)
			if err != nil {
				return err
			}
			if !check32(m.Bytes(), n) {
				return wrong(m.Bytes(), n)
			}
			if err := tx.Send(ctx, m.Bytes()); err != nil {
				return err
			}
			m.Release()
		}
		return nil
	}, nil)
}
