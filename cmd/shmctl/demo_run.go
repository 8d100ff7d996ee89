package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"shmring/channel"
)

// A demo is one run: this process receives, its children send.
type demo struct {
	app     *app
	opts    demoOptions
	ch      *channel.Channel
	rx      *channel.Receiver
	senders []*demoSender
	missing map[string]int // path to the sender that has it to send
	ended   chan error     // what the last sender's end and the seal gave

	latency  *hdrhistogram.Histogram
	progress demoProgress
	result   demoResult
}

// Sizes of the demo's channel: a ring that small files fill a good part of, and an arena
// of at least some megabytes.
const (
	demoSlots    = 1024
	demoArena    = 16 << 20
	demoMaxArena = 256 << 20
)

func newDemo(
	ctx context.Context, a *app, o demoOptions, root string, paths []string, largest int64,
) (*demo, error) {
	arena := int64(demoArena)
	for arena < 2*largest {
		arena *= 2
	}
	if arena > demoMaxArena {
		return nil, fmt.Errorf("%w: a file of %d bytes: the largest message has %d",
			channel.ErrTooBig, largest, demoMaxArena/2)
	}
	d := &demo{
		app: a, opts: o, missing: make(map[string]int, len(paths)), ended: make(chan error, 1),
		latency:  hdrhistogram.New(1, int64(time.Minute), 3),
		progress: newDemoProgress(a, o, len(paths)),
	}
	d.result.Root = root
	lists := make([][]string, o.senders)
	for i, path := range paths {
		d.missing[path] = i % o.senders
		lists[i%o.senders] = append(lists[i%o.senders], path)
	}
	name := fmt.Sprintf("demo-%d", os.Getpid())
	ch, err := channel.Create(ctx, name, channel.Options{
		OpenOptions: channel.OpenOptions{Dir: a.segmentDir()},
		Slots:       demoSlots, ArenaBytes: int(arena), Timestamps: true,
	})
	if err != nil {
		return nil, err
	}
	d.ch = ch
	if d.rx, err = ch.Receiver(ctx); err != nil {
		return nil, errors.Join(err, ch.Close())
	}
	for i, list := range lists {
		s, err := startDemoSender(a, i, name, root, list)
		if err != nil {
			err = errors.Join(err, d.abandon())
			for _, s := range d.senders {
				err = errors.Join(err, s.wait())
			}
			return nil, err
		}
		d.senders = append(d.senders, s)
	}
	return d, nil
}

// run receives until the channel ends.
func (d *demo) run(ctx context.Context) error {
	began := time.Now()
	go d.awaitSenders()
	err := d.receive(ctx)
	d.result.Elapsed = time.Since(began)
	d.progress.finish()
	if err != nil {
		return errors.Join(err, d.abandon())
	}
	return nil
}

// awaitSenders seals the channel when all senders have ended.
func (d *demo) awaitSenders() {
	var err error
	for _, s := range d.senders {
		err = errors.Join(err, s.wait())
	}
	d.ended <- errors.Join(err, d.ch.Seal("all senders have ended"))
}

func (d *demo) receive(ctx context.Context) error {
	for {
		m, err := d.rx.Recv(ctx)
		switch {
		case err == nil:
			d.take(m)
			m.Release()
			d.maybeKill()
			d.progress.show(&d.result)
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, channel.ErrPeerDead):
			// The victim was the last sender alive. Its death is in the report.
		default:
			return err
		}
	}
}

// take verifies a message in place.
func (d *demo) take(m channel.Message) {
	r := &d.result
	// A clock that steps back must not give a negative latency.
	_ = d.latency.RecordValue(max(0, time.Since(m.Sent()).Nanoseconds()))
	f, err := getDemo(m.Bytes())
	if err != nil || !f.whole() || f.sender < 0 || f.sender >= len(d.senders) {
		r.Corrupt++
		return
	}
	if owner, ok := d.missing[f.path]; !ok || owner != f.sender {
		r.Unexpected++ // a second time, or from somebody who should not have it
		return
	}
	delete(d.missing, f.path)
	d.senders[f.sender].files++
	r.Files++
	r.Bytes += uint64(len(f.content))
}

// maybeKill kills the last sender once a third of its files are here, if it can be in the
// middle of a message: that leaves a hole.
func (d *demo) maybeKill() {
	victim := d.senders[len(d.senders)-1]
	if !d.opts.kill || victim.doomed.Load() || victim.files < victim.count/3 {
		return
	}
	const tries = 1000
	if victim.tries++; victim.tries < tries && !d.reserving(victim.pid()) {
		return
	}
	victim.kill()
}

// reserving reports whether a process has a slot reserved and not committed.
func (d *demo) reserving(pid int) bool {
	for _, p := range d.ch.Participants() {
		if p.PID == uint32(pid) && p.Reserved > 0 {
			return true
		}
	}
	return false
}

// end completes the run: it collects the senders, takes the figures and removes the channel.
func (d *demo) end(ctx context.Context) error {
	err := <-d.ended
	if d.ch.State() == 0 { // closed by abandon
		return err
	}
	_, serr := d.ch.Shutdown(ctx, channel.ShutdownOptions{
		Reason: "demo is over", AtDeadline: channel.Force,
	})
	d.count() // whoever died was settled by then at the latest
	return errors.Join(err, serr, d.ch.Close())
}

// abandon ends everything early: after an error or Ctrl-C nothing stays behind.
func (d *demo) abandon() error {
	for _, s := range d.senders {
		s.kill()
	}
	_ = d.rx.Close() // what it did not take is discarded with the rest
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := d.ch.Shutdown(ctx, channel.ShutdownOptions{
		Reason: "demo was given up", AtDeadline: channel.Force,
	})
	return errors.Join(err, d.ch.Close())
}

// count completes the result.
func (d *demo) count() {
	r, stats := &d.result, d.ch.Stats()
	for _, s := range d.senders {
		r.Senders = append(r.Senders, demoSenderResult{
			Number: s.number, PID: s.pid(), Files: s.count, Received: s.files,
			Killed: s.killed,
		})
	}
	for _, owner := range d.missing {
		if d.senders[owner].killed {
			r.Unsent++
		} else {
			r.Lost++
		}
	}
	r.Holes = stats.Holes
	r.Missed = d.opts.kill && !slices.ContainsFunc(d.senders, func(s *demoSender) bool {
		return s.killed
	})
	r.Deaths = []demoDeath{}
	for _, death := range stats.Deaths {
		r.Deaths = append(r.Deaths, demoDeath{
			PID: death.PID, Role: death.Role.String(), Comm: death.Comm,
		})
	}
	r.Latency = demoLatency{
		P50: d.latency.ValueAtQuantile(50), P99: d.latency.ValueAtQuantile(99),
		P999: d.latency.ValueAtQuantile(99.9), Max: d.latency.Max(),
	}
}
