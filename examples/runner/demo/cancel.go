package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"shmring/examples/runner/client"
	"shmring/examples/runner/server"
)

var errGone = errors.New("the client has gone")

// leave begins a stream, goes away some time after some tokens, and returns how long it took
// from there until the runner had freed the slot.
func (s *stage) leave(ctx context.Context, i int, wait time.Duration) (time.Duration, error) {
	h, _, err := s.process.Health(ctx)
	if err != nil {
		return 0, err
	}
	before := freed(h)
	text, seed := prompt(i)
	var at time.Time
	r := s.process.Complete(ctx, client.Request{
		Prompt: text, Seed: seed, Max: 1 << 20, OnToken: func(n int) error {
			if n < 3+i%5 {
				return nil
			}
			if err := pause(ctx, wait); err != nil { // tokens come just behind a step
				return err
			}
			at = time.Now()
			return errGone
		},
	})
	if !errors.Is(r.Err, errGone) {
		return 0, r.Err
	}
	return s.awaitFree(ctx, at, before+1)
}

// awaitFree waits until so many slots were freed, and returns how long after at that was.
func (s *stage) awaitFree(ctx context.Context, at time.Time, n uint64) (time.Duration, error) {
	h, err := s.process.Await(ctx, func(h server.Health) bool { return freed(h) >= n })
	if err != nil {
		return 0, err
	}
	var last int64
	for _, r := range h.Runners {
		last = max(last, r.LastFree)
	}
	return time.Unix(0, last).Sub(at), nil
}

func freed(h server.Health) (n uint64) {
	for _, r := range h.Runners {
		n += r.Freed
	}
	return n
}

// disconnect closes connections in mid-stream, one after another, beside other streams.
func disconnect(ctx context.Context, s *stage) []outcome {
	const slow = 4 * step // so that a step is much longer than anything else
	times := 20
	if s.short {
		times = 6
	}
	if _, err := s.server(ctx, "-step", slow.String()); err != nil {
		return []outcome{failed(err)}
	}
	others, stop := context.WithCancel(ctx)
	b := s.begin(others, 16, 1<<20)
	defer func() { stop(); b.end() }()
	if err := b.reach(ctx, 3); err != nil {
		return []outcome{failed(err)}
	}
	var took spread
	for i := range times {
		d, err := s.leave(ctx, i, slow*time.Duration(i)/time.Duration(times))
		if err != nil {
			return []outcome{failed(err)}
		}
		took = append(took, d)
	}
	slices.Sort(took)
	return []outcome{check(true, "%d slots free, from the client's close: %v; a step takes %v",
		times, took, slow).intime(took.at(0.5) <= slow)}
}

// cancelFull fills requests and tokens, and then cancels.
func cancelFull(ctx context.Context, s *stage) []outcome {
	if s.transport == "http" {
		return []outcome{{verdict: none, text: "each stream has a connection: nothing to fill"}}
	}
	const batch, backlog, hold, times = 16, 400, 20 * time.Second, 8
	p, err := s.server(ctx, "-runners", "1", "-batch", fmt.Sprint(batch))
	if err != nil {
		return []outcome{failed(err)}
	}
	live, stop := context.WithCancel(ctx)
	var quits []context.CancelFunc
	var batches []*client.Result
	done := make(chan *client.Result)
	for i := range batch {
		one, quit := context.WithCancel(live)
		quits = append(quits, quit)
		text, seed := prompt(i)
		go func() {
			done <- p.Complete(one, client.Request{Prompt: text, Seed: seed, Max: 1 << 20})
		}()
	}
	defer func() {
		stop()
		for range quits {
			batches = append(batches, <-done)
		}
	}()
	full := func(h server.Health) bool { return h.Runners[0].Live == batch }
	if _, err := p.Await(ctx, full); err != nil {
		return []outcome{failed(err)}
	}
	behind := s.begin(live, backlog, 1)
	defer func() { stop(); behind.end() }()
	if err := p.hold(ctx, hold); err != nil {
		return []outcome{failed(err)}
	}
	until := time.Now().Add(hold)
	depth, err := p.awaitFull(ctx)
	if err != nil {
		return []outcome{failed(err)}
	}
	var took spread
	for i := range times {
		at := time.Now()
		quits[i]()
		d, err := s.awaitFree(ctx, at, uint64(i+1))
		if err != nil {
			return []outcome{failed(err)}
		}
		took = append(took, d)
	}
	slices.Sort(took)
	return []outcome{check(true,
		"%s; %d cancels, from the client's close to the free slot: %v", depth, times,
		took).intime(time.Now().Before(until))}
}

// hold makes the server take no tokens for a while.
func (p *process) hold(ctx context.Context, d time.Duration) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost,
		p.Base+"/debug/hold?for="+d.String(), nil)
	if err != nil {
		return err
	}
	answer, err := p.HTTP.Do(q)
	if err == nil {
		err = answer.Body.Close()
	}
	return err
}

var queueFigure = regexp.MustCompile(
	`(?m)^shmring_queue_(depth|capacity)_items\{queue="runner-0\.(requests|tokens)"\} (\d+)$`)

// awaitFull waits until both channels of data are full, by the server's own metrics.
func (p *process) awaitFull(ctx context.Context) (string, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := p.metrics(ctx)
		if err != nil {
			return "", err
		}
		figure := make(map[string]string)
		for _, m := range queueFigure.FindAllStringSubmatch(text, -1) {
			figure[m[2]+" "+m[1]] = m[3]
		}
		full := len(figure) == 4
		var words []string
		for _, q := range [...]string{"requests", "tokens"} {
			used, most := figure[q+" depth"], figure[q+" capacity"]
			full = full && used == most
			words = append(words, fmt.Sprintf("%s %s of %s", q, used, most))
		}
		if full {
			return strings.Join(words, ", "), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", fmt.Errorf("not full: %s: %w", words, context.Cause(ctx))
		}
	}
}

func (p *process) metrics(ctx context.Context) (string, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Base+"/metrics", nil)
	if err != nil {
		return "", err
	}
	answer, err := p.HTTP.Do(q)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(answer.Body)
	return string(b), errors.Join(err, answer.Body.Close())
}
