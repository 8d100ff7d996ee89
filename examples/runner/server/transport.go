// Package server is the HTTP side of an inference server: completions as server-sent events,
// embeddings, health and metrics. What carries the work to the runners is a Transport.
package server

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shmring/examples/runner/engine"
	"shmring/examples/runner/stream"
)

// Errors of a Transport that a client is told apart.
var (
	// ErrDraining: the server is ending and takes no new work.
	ErrDraining = errors.New("the server is draining")
	// ErrNoRunner: no runner is up now; one is being started.
	ErrNoRunner = errors.New("no runner is ready")
	// ErrRunnerDied: the runner that had this request is gone, with what it had computed.
	ErrRunnerDied = errors.New("the runner died")
)

// A Transport carries work to runners and their tokens back. It starts the runners, and
// starts another one where one died. Its methods may be called by several goroutines.
type Transport interface {
	// Complete hands a request to the runner that has least to do. Its tokens are pushed into
	// s, its end too, whatever happens. The end of ctx cancels it.
	Complete(ctx context.Context, r engine.Request, s *stream.Stream) error
	// Embed gives use the embedding of a request, in place: valid until use returns.
	Embed(ctx context.Context, r engine.Request, use func([]byte) error) error
	// Health says how each runner is.
	Health(ctx context.Context) []Runner
	// Drain refuses new work, waits until what was accepted is done, telling how many
	// requests are left, and ends the runners.
	Drain(ctx context.Context, left func(int)) error
	// Close ends the runners, whatever they do.
	Close() error
	// Collector has more metrics; nil: none.
	Collector() prometheus.Collector
}

// Runner says how one runner is.
type Runner struct {
	Name     string
	PID      int       // 0: not running
	Started  time.Time // this process
	Restarts int
	Status   engine.Status
	Pending  int    // requests that it has and that have not ended
	Trouble  string // why it is not well, in words; empty if it is
}
