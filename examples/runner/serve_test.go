//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/examples/runner/client"
	"shmring/examples/runner/engine"
	"shmring/examples/runner/server"
	"shmring/examples/runner/stream"
)

// many runs streams at the same time and returns what came of them, in order.
func (s *scene) many(t *testing.T, n, tokens int) []*client.Result {
	t.Helper()
	results := make([]*client.Result, n)
	var wait sync.WaitGroup
	for i := range n {
		text, seed := prompt(i)
		wait.Go(func() {
			results[i] = s.Complete(t.Context(), client.Request{
				Prompt: text, Seed: seed, Max: tokens,
			})
		})
	}
	wait.Wait()
	return results
}

func TestStreamsAreWhatIsGeneratedInPlace(t *testing.T) {
	for _, name := range transports {
		t.Run(name, func(t *testing.T) {
			const streams, tokens = 24, 100 // more than fit two batches
			s := begin(t, name, "-batch", "8")
			for i, r := range s.many(t, streams, tokens) {
				require.NoError(t, r.Err)
				assert.True(t, r.Done)
				assert.Equal(t, want(t, i, tokens), string(r.Text), "stream %d", i)
			}
		})
	}
}

func TestDisconnectFreesTheSlot(t *testing.T) {
	for _, name := range transports {
		t.Run(name, func(t *testing.T) {
			s := begin(t, name, "-runners", "1", "-batch", "1", "-step", "1ms")
			gone := errors.New("gone")
			text, seed := prompt(0)
			r := s.Complete(t.Context(), client.Request{
				Prompt: text, Seed: seed, Max: 1 << 20, OnToken: func(n int) error {
					if n == 3 {
						return gone
					}
					return nil
				},
			})
			require.ErrorIs(t, r.Err, gone)
			_, err := s.Await(t.Context(), func(h server.Health) bool {
				r := h.Runners[0]
				return r.Freed == 1 && r.Live == 0 && r.Pending == 0
			})
			require.NoError(t, err)
			// The only slot is free for the next.
			again := s.many(t, 1, 10)[0]
			require.NoError(t, again.Err)
			assert.Equal(t, want(t, 0, 10), string(again.Text))
		})
	}
}

func TestKilledRunnerEndsItsStreamsAndIsReplaced(t *testing.T) {
	for _, name := range transports {
		t.Run(name, func(t *testing.T) {
			s := begin(t, name, "-step", "1ms")
			h, _, err := s.Health(t.Context())
			require.NoError(t, err)
			victim := h.Runners[0].PID
			kill := sync.OnceFunc(func() {
				p, err := os.FindProcess(victim)
				assert.NoError(t, errors.Join(err, p.Kill()))
			})
			results := make([]*client.Result, 8)
			var wait sync.WaitGroup
			for i := range results {
				text, seed := prompt(i)
				wait.Go(func() {
					results[i] = s.Complete(t.Context(), client.Request{
						Prompt: text, Seed: seed, Max: 300, OnToken: func(n int) error {
							if n == 100 {
								kill()
							}
							return nil
						},
					})
				})
			}
			wait.Wait()
			died := 0
			for i, r := range results {
				var told *client.ServerError
				if errors.As(r.Err, &told) {
					assert.Equal(t, "runner_died", told.Type)
					assert.Equal(t, want(t, i, 300)[:len(r.Text)], string(r.Text))
					died++
					continue
				}
				require.NoError(t, r.Err)
				assert.Equal(t, want(t, i, 300), string(r.Text))
			}
			assert.Equal(t, 4, died)
			h, err = s.Await(t.Context(), client.Ready)
			require.NoError(t, err)
			assert.Equal(t, 1, h.Runners[0].Restarts)
			for i, r := range s.many(t, 4, 20) {
				require.NoError(t, r.Err)
				assert.Equal(t, want(t, i, 20), string(r.Text))
			}
		})
	}
}

func TestDrainFinishesWhatWasAccepted(t *testing.T) {
	for _, name := range transports {
		t.Run(name, func(t *testing.T) {
			s := begin(t, name, "-step", "1ms")
			drained := make(chan error, 1)
			var left []int
			drain := sync.OnceFunc(func() {
				go func() {
					drained <- s.handler.Drain(context.WithoutCancel(t.Context()),
						func(n int) { left = append(left, n) })
				}()
			})
			results := make([]*client.Result, 6)
			var wait, begun sync.WaitGroup
			begun.Add(len(results))
			for i := range results {
				text, seed := prompt(i)
				wait.Go(func() {
					results[i] = s.Complete(t.Context(), client.Request{
						Prompt: text, Seed: seed, Max: 100 + 20*i, OnToken: func(n int) error {
							if n == 1 {
								begun.Done()
							}
							return nil
						},
					})
				})
			}
			begun.Wait()
			drain()
			require.NoError(t, <-drained)
			wait.Wait()
			for i, r := range results {
				require.NoError(t, r.Err)
				assert.Equal(t, want(t, i, 100+20*i), string(r.Text))
			}
			assert.Zero(t, left[len(left)-1])
			err := s.transport.Complete(t.Context(), engine.Request{}, stream.New(0, nil))
			require.ErrorIs(t, err, server.ErrDraining)
			var told *client.ServerError
			require.ErrorAs(t, s.many(t, 1, 1)[0].Err, &told)
			assert.Equal(t, "draining", told.Type)
		})
	}
}
