package overhttp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shmring/examples/runner/engine"
	"shmring/examples/runner/server"
	"shmring/examples/runner/stream"
)

// Options describe a Transport.
type Options struct {
	Runners    int
	Command    func(ctx context.Context) *exec.Cmd // of a runner, which calls Run
	StallAfter time.Duration                       // a runner without an answer so long is not well
	Logger     *slog.Logger
}

// Transport is the server's side. It implements server.Transport.
type Transport struct {
	command func(ctx context.Context) *exec.Cmd
	stall   time.Duration
	log     *slog.Logger
	client  *http.Client
	runners []*runner
	stop    context.CancelFunc
	alive   sync.WaitGroup

	work *server.Work
	mu   sync.Mutex // for the choice of a runner, which counts at once
}

var _ server.Transport = (*Transport)(nil)

// Start starts the runners.
func Start(o Options) *Transport {
	ctx, stop := context.WithCancel(context.Background())
	t := &Transport{
		command: o.Command, stall: o.StallAfter, log: o.Logger, stop: stop,
		work: server.NewWork(),
		client: &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: backlog, DisableCompression: true,
		}},
	}
	for i := range o.Runners {
		r := &runner{name: fmt.Sprintf("runner-%d", i)}
		r.health.Name = r.name
		t.runners = append(t.runners, r)
		t.alive.Go(func() { t.supervise(ctx, r) })
	}
	return t
}

// begin counts a request in and chooses its runner.
func (t *Transport) begin() (r *runner, base string, life context.Context, err error) {
	if err := t.work.Begin(); err != nil {
		return nil, "", nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r = slices.MinFunc(t.runners, func(a, b *runner) int { return a.load() - b.load() })
	base, life, ok := r.take()
	if !ok {
		t.work.End()
		return nil, "", nil, server.ErrNoRunner
	}
	return r, base, life, nil
}

func (t *Transport) end(r *runner) {
	r.give()
	t.work.End()
}

// post begins a request to a runner.
func (t *Transport) post(ctx context.Context, url string, body any) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	p, err := t.client.Do(q)
	if err == nil && p.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("runner: %s", p.Status), p.Body.Close())
	}
	return p, err
}

// why says what an error of a connection means: that of a dead process is its death.
func why(ctx, life context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case <-life.Done(): // collected a moment after its connections broke
		return context.Cause(life)
	case <-time.After(time.Second):
		return err
	}
}

// Complete implements server.Transport.
func (t *Transport) Complete(
	ctx context.Context, q engine.Request, s *stream.Stream,
) error {
	r, base, life, err := t.begin()
	if err != nil {
		return err
	}
	go func() {
		defer t.end(r)
		p, err := t.post(ctx, base+"/generate", q)
		if err == nil {
			err = errors.Join(pump(p.Body, r, s), p.Body.Close())
		}
		if err != nil {
			s.Fail(why(ctx, life, err))
		}
	}()
	return nil
}

// pump pushes the events of a stream.
func pump(from io.Reader, r *runner, s *stream.Stream) error {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		if string(data) == "[DONE]" {
			s.Push(engine.Token{End: engine.Done})
			return nil
		}
		var token engine.Token
		if err := json.Unmarshal(data, &token); err != nil {
			return err
		}
		r.progressed()
		if !s.Push(token) {
			return nil // closing the connection is the cancel
		}
	}
	return errors.Join(io.ErrUnexpectedEOF, lines.Err())
}

// Embed implements server.Transport.
func (t *Transport) Embed(
	ctx context.Context, q engine.Request, use func([]byte) error,
) error {
	r, base, life, err := t.begin()
	if err != nil {
		return err
	}
	defer t.end(r)
	p, err := t.post(ctx, base+"/embed", q)
	if err != nil {
		return why(ctx, life, err)
	}
	defer p.Body.Close()
	b, err := io.ReadAll(p.Body)
	if err != nil {
		return why(ctx, life, err)
	}
	r.progressed()
	return use(b)
}

// Health implements server.Transport. It asks every runner.
func (t *Transport) Health(ctx context.Context) []server.Runner {
	health := make([]server.Runner, len(t.runners))
	var wait sync.WaitGroup
	for i, r := range t.runners {
		wait.Go(func() { health[i] = t.health(ctx, r) })
	}
	wait.Wait()
	return health
}

func (t *Transport) health(ctx context.Context, r *runner) server.Runner {
	ctx, cancel := context.WithTimeout(ctx, t.stall/2)
	defer cancel()
	r.mu.Lock()
	h, base, progress := r.health, r.base, r.progress
	h.Pending = r.pending
	r.mu.Unlock()
	if base == "" {
		h.Trouble = "not running"
		return h
	}
	err := t.status(ctx, base, &h.Status)
	if err != nil {
		h.Trouble = fmt.Sprintf("pid %d does not answer, holds %d requests, last token %v ago: %v",
			h.PID, h.Pending, time.Since(progress).Round(time.Millisecond), err)
		return h
	}
	r.mu.Lock()
	r.health.Status = h.Status
	r.mu.Unlock()
	return h
}

func (t *Transport) status(ctx context.Context, base string, to *engine.Status) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/status", nil)
	if err != nil {
		return err
	}
	p, err := t.client.Do(q)
	if err != nil {
		return err
	}
	defer p.Body.Close()
	return json.NewDecoder(p.Body).Decode(to)
}

// Drain implements server.Transport.
func (t *Transport) Drain(ctx context.Context, left func(int)) error {
	if err := t.work.Drain(ctx, left); err != nil {
		return err
	}
	for _, r := range t.runners {
		r.end()
	}
	t.alive.Wait()
	return nil
}

// Close implements server.Transport.
func (t *Transport) Close() error {
	t.stop()
	t.alive.Wait()
	t.client.CloseIdleConnections()
	return nil
}

// Collector implements server.Transport: there is nothing more to tell.
func (t *Transport) Collector() prometheus.Collector { return nil }
