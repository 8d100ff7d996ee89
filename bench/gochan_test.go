package bench

import (
	"testing"
	"time"

	"shmring/internal/measure"
)

// Channels of Go, for scale: between goroutines of one process, which nothing else here is.

func BenchmarkGoChannel(b *testing.B) { goChannels().benchmark(b) }

func goChannels() group {
	return group{
		{name: "roundtrip/32B", body: goTrips},
		{name: "stream/32B/256-deep", body: goStream(channelSlots)},
		{name: "stream/32B/unbuffered", body: goStream(0)},
	}
}

type small [smallSize]byte

// goTrips sends messages to another goroutine and receives them back.
func goTrips(r *run) {
	r.begin()
	there, back := make(chan small, 1), make(chan small, 1)
	go func() {
		for m := range there {
			back <- m
		}
		close(back)
	}()
	lat := measure.NewLatency()
	r.goRun(func() error {
		var m small
		last := measure.Now()
		for n := range r.n {
			fill32(m[:], n)
			there <- m
			if m = <-back; !check32(m[:], n) {
				return wrong(m[:], n)
			}
			now := measure.Now()
			lat.Record(now - last)
			last = now
		}
		return nil
	})
	close(there)
	<-back
	r.latency("", lat)
}

// goStream receives what another goroutine sends.
func goStream(deep int) func(*run) {
	return func(r *run) {
		r.begin()
		c := make(chan small, deep)
		go func() {
			var m small
			for n := range r.n {
				fill32(m[:], n)
				c <- m
			}
			close(c)
		}()
		r.goRun(func() error {
			n := uint64(0)
			for m := range c {
				if !check32(m[:], n) {
					return wrong(m[:], n)
				}
				n++
			}
			return nil
		})
	}
}

// goRun measures what this process alone does.
func (r *run) goRun(work func() error) {
	r.size = smallSize
	before := measure.Spent(nil)
	r.start()
	began := measure.Now()
	err := work()
	r.took = time.Duration(measure.Now() - began)
	r.stop()
	r.check(err)
	r.load(measure.Spent(nil).Minus(before))
}
