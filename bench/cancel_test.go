package bench

import (
	"context"
	"errors"
	"sync"
	"time"

	"shmring/channel"
	"shmring/internal/measure"
)

// A cancel has to overtake data: requests and tokens of a runner that takes its time fill
// their channels, both sides wait for room all the time, and the cancel goes by a channel of
// its own.

const (
	slowPace    = time.Millisecond // between two messages of a channel that is full
	tokenSize   = 64
	requestSize = 16 * kib
)

// cancels measures the time from when a cancel is due until its answer is here.
func cancels(every time.Duration) func(*run) {
	return func(r *run) {
		r.beginFor(time.Duration(r.n) * every)
		var chs []*channel.Channel
		names := []string{"cancel", "cancelled", "requests", "tokens"}
		for _, name := range names {
			chs = append(chs, r.create(name, channel.Options{Kind: channel.SPSC}))
		}
		// Whatever happens, nothing unread keeps the segments.
		r.Cleanup(func() { r.check(errors.Join(discard(chs[2]), discard(chs[3]))) })
		tx, err := chs[0].TrySender()
		r.check(err)
		rx, err := chs[1].TryReceiver()
		r.check(err)
		x := &caller{
			txs: []*channel.Sender{tx}, rx: rx, lat: measure.NewLatency(),
			call: call{size: smallSize, answer: smallSize, every: every},
		}
		r.peer(job{Kind: "slow", Channels: names})
		r.ready()
		stop := r.fill(chs[2], chs[3])
		defer stop()
		r.awaitFull(chs[2], chs[3])

		warm := uint64(8)
		r.order(order{To: warm})
		r.check(callAll([]*caller{x}, stretch{to: warm}, 0))
		r.answers()
		count := sleepsAndWakes(chs[0], chs[1])
		start := measure.Now() + int64(leadTime)
		r.order(order{To: r.n, Start: start})
		before := measure.Spent(count)
		measure.SleepUntil(start)
		r.start()
		err = callAll([]*caller{x}, stretch{from: warm, to: warm + r.n}, start)
		r.took = time.Duration(measure.Now() - start)
		r.stop()
		r.check(err)
		theirs := r.answers()
		r.load(measure.Spent(count).Minus(before).Plus(theirs))
		r.latency("", x.lat)
		stop()
		r.dismiss()
	}
}

// fill keeps requests full and takes tokens slowly, until the returned function is called.
func (r *run) fill(requests, tokens *channel.Channel) (stop func()) {
	r.Helper()
	tx, err := requests.TrySender()
	r.check(err)
	rx, err := tokens.TryReceiver()
	r.check(err)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { flood(ctx, tx, requestSize) })
	all.Go(func() { sip(ctx, rx) })
	return sync.OnceFunc(func() {
		cancel()
		all.Wait()
		r.check(errors.Join(tx.Close(), rx.Close()))
	})
}

// awaitFull waits until somebody waits for room in each channel.
func (r *run) awaitFull(chs ...*channel.Channel) {
	for _, ch := range chs {
		for !waitsFor(ch, "space") {
			measure.SleepUntil(measure.Now() + int64(slowPace/10))
		}
	}
}

// waitsFor reports whether a participant sleeps for that.
func waitsFor(ch *channel.Channel, what string) bool {
	for _, p := range ch.Participants() {
		if p.Waiting == what {
			return true
		}
	}
	return false
}

// flood sends until ctx ends.
func flood(ctx context.Context, tx *channel.Sender, size int) {
	buf := make([]byte, size)
	for n := uint64(0); ; n++ {
		measure.Fill(buf, n, 0)
		if tx.Send(ctx, buf) != nil {
			return
		}
	}
}

// sip takes a message now and then, until ctx ends.
func sip(ctx context.Context, rx *channel.Receiver) {
	for {
		m, err := rx.Recv(ctx)
		if err != nil {
			return
		}
		m.Release()
		measure.SleepUntil(measure.Now() + int64(slowPace))
	}
}

// giveUp is how long whoever discards a channel waits for somebody to take what is left.
const giveUp = 5 * time.Millisecond

// discard ends a channel with all that is in it.
func discard(ch *channel.Channel) error {
	ctx, cancel := context.WithTimeout(context.Background(), giveUp)
	defer cancel()
	_, err := ch.Shutdown(ctx, channel.ShutdownOptions{
		Reason: "the benchmark is over", AtDeadline: channel.Force,
	})
	return err
}

// slowPeer is a runner that is slow with requests, and whose tokens nobody takes fast; its
// cancels it answers at once.
func slowPeer(p *peer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	chs, done, err := p.openAll()
	if err != nil {
		return err
	}
	defer done()
	rx, err := chs[0].Receiver(ctx)
	if err != nil {
		return err
	}
	tx, err := chs[1].Sender(ctx)
	if err != nil {
		return err
	}
	requests, err := chs[2].Receiver(ctx)
	if err != nil {
		return err
	}
	tokens, err := chs[3].Sender(ctx)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	all.Go(func() { flood(ctx, tokens, tokenSize) })
	all.Go(func() { sip(ctx, requests) })
	p.Answer = smallSize
	next := make([]uint64, 1)
	err = p.obey(func(o order) error {
		for range o.To - o.From {
			if err := p.answer(ctx, rx, []*channel.Sender{tx}, next); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	cancel()
	all.Wait()
	return err
}
