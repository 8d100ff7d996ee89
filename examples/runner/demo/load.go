package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"shmring/examples/runner/client"
)

const streams = 64

// prompt is that of stream i.
func prompt(i int) (text string, seed uint64) {
	words := [...]string{"Package ", "The ", "A Reader ", "If err is ", "Close closes "}
	return strings.Repeat(words[i%len(words)], 1+i%3), uint64(i)
}

// batch is many streams under way.
type batch struct {
	stage   *stage
	tokens  int
	results []*client.Result
	counts  []atomic.Int64 // tokens so far
	wait    sync.WaitGroup
	moved   chan struct{} // has room for one: a count rose
}

// begin starts streams of so many tokens each.
func (s *stage) begin(ctx context.Context, n, tokens int) *batch {
	b := &batch{
		stage: s, tokens: tokens, results: make([]*client.Result, n),
		counts: make([]atomic.Int64, n), moved: make(chan struct{}, 1),
	}
	for i := range n {
		text, seed := prompt(i)
		b.wait.Go(func() {
			b.results[i] = s.process.Complete(ctx, client.Request{
				Prompt: text, Seed: seed, Max: tokens, OnToken: func(n int) error {
					b.counts[i].Store(int64(n))
					select {
					case b.moved <- struct{}{}:
					default:
					}
					return nil
				},
			})
		})
	}
	return b
}

// reach waits until every stream has so many tokens.
func (b *batch) reach(ctx context.Context, tokens int) error {
	for i := range b.counts {
		for b.counts[i].Load() < int64(tokens) {
			select {
			case <-b.moved:
			case <-ctx.Done():
				return fmt.Errorf("stream %d has %d tokens: %w", i, b.counts[i].Load(),
					context.Cause(ctx))
			}
		}
	}
	return nil
}

// end waits for the streams and returns their results.
func (b *batch) end() []*client.Result {
	b.wait.Wait()
	return b.results
}

// whole counts the streams that are complete and what was expected; the error is that of
// one that is not.
func (b *batch) whole() (n int, err error) {
	for i, r := range b.end() {
		werr := b.stage.whole(i, b.tokens, r)
		if werr == nil {
			n++
		} else if err == nil {
			err = werr
		}
	}
	return n, err
}

func (s *stage) whole(i, tokens int, r *client.Result) error {
	if r.Err != nil {
		return fmt.Errorf("stream %d after %d tokens: %w", i, len(r.Text), r.Err)
	}
	if !r.Done || len(r.Text) != tokens {
		return fmt.Errorf("stream %d: %d tokens, want %d", i, len(r.Text), tokens)
	}
	return s.same(i, r)
}

// same compares what came with what is generated here.
func (s *stage) same(i int, r *client.Result) error {
	text, seed := prompt(i)
	if want := s.model.Generate(text, seed, len(r.Text)); string(want) != string(r.Text) {
		return fmt.Errorf("stream %d differs from what is generated in process", i)
	}
	return nil
}

// spread has durations in order.
type spread []time.Duration

func (d spread) at(q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return d[min(len(d)-1, int(q*float64(len(d))))]
}

// String gives median, p99 and maximum.
func (d spread) String() string {
	return fmt.Sprintf("p50 %v, p99 %v, max %v", round(d.at(0.5)), round(d.at(0.99)),
		round(d.at(1)))
}

func round(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Microsecond)
}

// first collects the times to the first token.
func first(rs []*client.Result) (d spread) {
	for _, r := range rs {
		if len(r.Times) > 0 {
			d = append(d, r.Times[0].Sub(r.Began))
		}
	}
	slices.Sort(d)
	return d
}

// gaps collects the times between tokens.
func gaps(rs []*client.Result) (d spread) {
	for _, r := range rs {
		for i := 1; i < len(r.Times); i++ {
			d = append(d, r.Times[i].Sub(r.Times[i-1]))
		}
	}
	slices.Sort(d)
	return d
}

// underLoad runs many streams, and measures.
func underLoad(ctx context.Context, s *stage) []outcome {
	tokens := 400
	if s.short {
		tokens = 100
	}
	p, err := s.server(ctx)
	if err != nil {
		return []outcome{failed(err)}
	}
	s.begin(ctx, streams, 10).end() // connections and code are warm
	before := p.cpu()
	b := s.begin(ctx, streams, tokens)
	n, err := b.whole()
	used := p.cpu() - before
	if err != nil {
		return []outcome{failed(err)}
	}
	rs := b.results
	perThousand := used / time.Duration(streams*tokens/1000)
	cpu := check(true, "%v", round(perThousand))
	if s.transport == "http" {
		s.http["cpu"] = perThousand.Seconds()
	} else if other := s.http["cpu"]; other > 0 {
		cpu = check(true, "%v, %.2f of that over HTTP", round(perThousand),
			perThousand.Seconds()/other).intime(perThousand.Seconds() <= other)
	}
	return []outcome{
		check(n == streams, "%d of %d streams, %d tokens", n, streams, streams*tokens),
		check(len(first(rs)) == streams, "%v", first(rs)),
		check(true, "%v", gaps(rs)),
		cpu,
	}
}

// isDeath reports whether a stream ended with the error event of a dead runner.
func isDeath(r *client.Result) bool {
	var told *client.ServerError
	return errors.As(r.Err, &told) && told.Type == "runner_died"
}
