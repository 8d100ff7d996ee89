package overshm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shmring/adapters/prom"
	"shmring/channel"
	"shmring/examples/runner/engine"
	"shmring/examples/runner/server"
	"shmring/examples/runner/stream"
	"shmring/link"
	"shmring/manager"
)

// Options describe a Transport.
type Options struct {
	Runners int
	// Command makes the command of a runner, which calls Run. Nil: runners come by
	// themselves, and call RunAttached with Name.0, Name.1, …
	Command    func(ctx context.Context) *exec.Cmd
	Name       string        // of the links; empty: they have none
	Dimensions int           // of the longest embedding: the arenas are made for it
	Grace      time.Duration // for runners to finish, when they are to end
	StallAfter time.Duration
	Logger     *slog.Logger
}

// Transport is the server's side. It implements server.Transport.
type Transport struct {
	opts    Options
	runners []*runner
	queues  *manager.Manager // of what the links have, for metrics
	work    *server.Work
}

var (
	_ server.Transport = (*Transport)(nil)
	_ server.Holder    = (*Transport)(nil)
)

// Start starts the runners. It fails at once, and says what to do, where shared memory is
// too small.
func Start(ctx context.Context, o Options) (*Transport, error) {
	m, err := manager.New(manager.Options{Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	t := &Transport{opts: o, queues: m, work: server.NewWork()}
	for i := range o.Runners {
		r := &runner{name: fmt.Sprintf("runner-%d", i), pending: make(map[uint64]*job)}
		r.link, err = link.Start(context.WithoutCancel(ctx), t.options(i), r.serve)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start %s: %w", r.name, err), t.Close())
		}
		t.runners = append(t.runners, r)
		if err := t.track(r); err != nil {
			return nil, errors.Join(err, t.Close())
		}
	}
	return t, nil
}

// options describe the link of one runner.
func (t *Transport) options(i int) link.Options {
	o := link.Options{
		Command: t.opts.Command, StopGrace: t.opts.Grace,
		OpenOptions: channel.OpenOptions{
			StallAfter: t.opts.StallAfter, Logger: t.opts.Logger,
		},
	}
	if t.opts.Name != "" {
		o.Name = fmt.Sprintf("%s.%d", t.opts.Name, i)
	}
	o.Tokens.ArenaBytes = arena(4 * t.opts.Dimensions)
	return o
}

// arena returns the size of an arena for messages of so many bytes: a power of two, at
// least twice as large.
func arena(message int) int {
	size := 1 << 20
	for size/2 < message+4096 {
		size *= 2
	}
	return size
}

// track puts the channels of a runner, which have no names, among the metrics.
func (t *Transport) track(r *runner) error {
	depth := func(which func(*link.Server) *channel.Channel) manager.QueueInfo {
		return manager.QueueInfo{Depth: func() (used, capacity uint64) {
			r.mu.Lock()
			s := r.server
			r.mu.Unlock()
			if s == nil {
				return 0, 0
			}
			st := which(s).Stats()
			return st.Depth, st.Slots
		}}
	}
	return errors.Join(
		t.queues.Track(r.name+".requests", depth(func(s *link.Server) *channel.Channel {
			requests, _, _, _ := s.Channels()
			return requests
		})),
		t.queues.Track(r.name+".tokens", depth(func(s *link.Server) *channel.Channel {
			_, tokens, _, _ := s.Channels()
			return tokens
		})),
	)
}

// start hands a request to a runner.
func (t *Transport) start(ctx context.Context, q engine.Request, j *job) error {
	payload, err := json.Marshal(q)
	if err != nil {
		return err
	}
	if err := t.work.Begin(); err != nil {
		return err
	}
	r := slices.MinFunc(t.runners, func(a, b *runner) int { return a.load() - b.load() })
	if err := r.take(ctx, q.ID, j, payload); err != nil {
		t.work.End()
		return err
	}
	go func() {
		<-j.over
		t.work.End()
	}()
	return nil
}

// Complete implements server.Transport.
func (t *Transport) Complete(ctx context.Context, q engine.Request, s *stream.Stream) error {
	return t.start(ctx, q, &job{tokens: s})
}

// Embed implements server.Transport. The embedding is copied out of shared memory, so that
// a client that reads slowly keeps no room from the tokens behind it.
func (t *Transport) Embed(
	ctx context.Context, q engine.Request, use func([]byte) error,
) error {
	j := &job{frame: make(chan link.Frame, 1)}
	if err := t.start(ctx, q, j); err != nil {
		return err
	}
	select {
	case <-j.over:
	case <-ctx.Done():
		go func() { // the runner has begun: what comes is given back
			<-j.over
			if j.err == nil {
				f := <-j.frame
				f.Release()
			}
		}()
		return context.Cause(ctx)
	}
	if j.err != nil {
		return j.err
	}
	f := <-j.frame
	b := slices.Clone(f.Payload)
	f.Release()
	return use(b)
}

// Health implements server.Transport.
func (t *Transport) Health(context.Context) []server.Runner {
	var health []server.Runner
	for _, r := range t.runners {
		health = append(health, r.health(t.opts.StallAfter))
	}
	return health
}

// Drain implements server.Transport.
func (t *Transport) Drain(ctx context.Context, left func(int)) error {
	if err := t.work.Drain(ctx, left); err != nil {
		return err
	}
	return t.stop("the server is ending")
}

// stop ends the links: their runners finish what they have.
func (t *Transport) stop(reason string) error {
	var errs []error
	for _, r := range t.runners {
		r.link.Stop(reason)
	}
	for _, r := range t.runners {
		_, err := r.link.Wait()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Close implements server.Transport.
func (t *Transport) Close() error {
	return errors.Join(t.stop("the server closes"), t.queues.Close())
}

// Collector implements server.Transport: how full the channels are.
func (t *Transport) Collector() prometheus.Collector {
	return prom.NewCollector(t.queues, prom.Options{})
}

// Hold implements server.Holder.
func (t *Transport) Hold(d time.Duration) {
	until := time.Now().Add(d).UnixNano()
	for _, r := range t.runners {
		r.hold.Store(until)
	}
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) }
