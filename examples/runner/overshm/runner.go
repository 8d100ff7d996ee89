package overshm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"shmring/examples/runner/engine"
	"shmring/examples/runner/server"
	"shmring/examples/runner/stream"
	"shmring/link"
)

// runner is the server's view of one runner, over its instances.
type runner struct {
	name string
	link *link.Supervisor
	hold atomic.Int64 // until when no tokens are taken; unix nanoseconds

	mu       sync.Mutex
	server   *link.Server // the instance whose runner is there; nil: none
	pending  map[uint64]*job
	began    time.Time // of the instance
	lives    int
	progress time.Time // the last frame, or the first request of a runner that had none
}

// A job is a request that a runner has.
type job struct {
	server *link.Server
	tokens *stream.Stream      // of a completion
	frame  chan link.Frame     // of an embedding: has room for one
	over   chan struct{}       // closed when it has ended
	err    error               // of an embedding, once over
	unhook func() (first bool) // from the end of its context
}

// serve receives from one instance until its end. It is the function given to link.Start.
func (r *runner) serve(ctx context.Context, s *link.Server) error {
	r.mu.Lock()
	r.server, r.began = s, time.Now()
	r.lives++
	r.mu.Unlock()
	frames := make([]link.Frame, 64) // about a step's
	for {
		r.holdBack(ctx)
		n, err := s.RecvBatch(ctx, frames)
		for _, f := range frames[:n] {
			r.deliver(f)
		}
		if err != nil {
			return r.lost(s, err)
		}
	}
}

// lost ends what the instance has not finished.
func (r *runner) lost(s *link.Server, err error) error {
	r.mu.Lock()
	r.server = nil
	jobs := r.pending
	r.pending = make(map[uint64]*job)
	r.mu.Unlock()
	why := fmt.Errorf("%w: %s: %w", server.ErrRunnerDied, r.name, err)
	for _, j := range jobs {
		j.fail(why)
	}
	if isEnd(err) {
		return nil // the link is being stopped, and the runner has finished
	}
	return err
}

// deliver gives a frame to whoever waits for it. It never waits itself: a stream whose
// client is slow is cut.
func (r *runner) deliver(f link.Frame) {
	last := f.Kind != link.Token
	r.mu.Lock()
	j := r.pending[f.ID]
	if last {
		delete(r.pending, f.ID)
	}
	r.progress = time.Now()
	r.mu.Unlock()
	switch {
	case j == nil: // it was given up before its request was there
	case f.Kind == link.Token && len(f.Payload) == 1 && j.tokens != nil:
		j.tokens.Push(engine.Token{ID: f.ID, Index: f.Aux, Byte: f.Payload[0]})
	case f.Kind == link.Embedding && j.frame != nil:
		j.frame <- f // whoever waits releases it
		j.end(nil)
		return
	case f.Kind == link.End && j.tokens != nil:
		j.tokens.Push(engine.Token{End: engine.End(f.Aux)})
		j.end(nil)
	default:
		j.fail(fmt.Errorf("%w: a frame of kind %v", link.ErrProtocol, f.Kind))
	}
	f.Release()
}

// end tells an embedding's request that it is over, and forgets the context.
func (j *job) end(err error) {
	j.unhook()
	j.err = err
	close(j.over)
}

func (j *job) fail(err error) {
	if j.tokens != nil {
		j.tokens.Fail(err)
	}
	j.end(err)
}

// take hands a request to the runner that lives now.
func (r *runner) take(ctx context.Context, id uint64, j *job, payload []byte) error {
	j.over = make(chan struct{})
	r.mu.Lock()
	s := r.server
	if s == nil {
		r.mu.Unlock()
		return server.ErrNoRunner
	}
	if len(r.pending) == 0 {
		r.progress = time.Now()
	}
	j.server = s
	// Cancels overtake requests: this one may be there before what it cancels.
	j.unhook = context.AfterFunc(ctx, func() { r.cancel(ctx, s, id, j) })
	r.pending[id] = j
	r.mu.Unlock()
	err := s.Send(ctx, link.Frame{ID: id, Kind: link.Request, Payload: payload})
	if err == nil {
		return nil
	}
	r.mu.Lock()
	_, mine := r.pending[id]
	delete(r.pending, id)
	r.mu.Unlock()
	if mine { // else it was ended by lost
		j.end(err)
	}
	if errors.Is(err, link.ErrRunnerEnded) {
		return fmt.Errorf("%w: %s: %w", server.ErrRunnerDied, r.name, err)
	}
	return err
}

// cancelTime bounds how long a cancel may wait for room among other cancels.
const cancelTime = 10 * time.Second

// cancel tells the runner that nobody waits any more. The job stays until the runner has
// said that its slot is free.
func (r *runner) cancel(ctx context.Context, s *link.Server, id uint64, j *job) {
	if j.tokens != nil {
		j.tokens.Fail(context.Cause(ctx))
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
	defer stop()
	_ = s.Cancel(ctx, id) // a runner that has ended needs none
}

// load is how much it has to do; a runner that is not there has more than any other.
func (r *runner) load() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server == nil {
		return 1 << 30
	}
	return len(r.pending)
}

// holdBack waits while tokens are not to be taken, which only a demonstration asks for.
func (r *runner) holdBack(ctx context.Context) {
	rest := time.Until(time.Unix(0, r.hold.Load()))
	if rest <= 0 {
		return
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// health says how the runner is: by its own word, by the kernel's, and by what it owes.
func (r *runner) health(stall time.Duration) server.Runner {
	r.mu.Lock()
	s, progress := r.server, r.progress
	h := server.Runner{
		Name: r.name, Started: r.began, Restarts: max(0, r.lives-1), Pending: len(r.pending),
	}
	r.mu.Unlock()
	if s == nil {
		h.Trouble = "not running"
		return h
	}
	st := s.Status()
	h.PID, h.Status = s.PID(), decodeStatus(st.Value)
	if st.Note != "" {
		h.Trouble = "busy: " + st.Note
	}
	idle := time.Since(progress)
	if !st.Stopped && (h.Pending == 0 || idle < stall) { // a stop is known, not guessed
		if st.Stuck != "" {
			h.Trouble = st.Stuck
		}
		return h
	}
	words := []string{fmt.Sprintf("pid %d", h.PID)}
	if st.Stopped {
		words = append(words, "stopped by a signal or a debugger")
	}
	words = append(words, fmt.Sprintf("holds %d requests", h.Pending))
	if h.Pending > 0 {
		words = append(words, fmt.Sprintf("no token since %s, for %v",
			progress.Format(time.TimeOnly), idle.Round(time.Millisecond)))
	}
	if h.Trouble != "" {
		words = append(words, h.Trouble)
	}
	h.Trouble = strings.Join(words, ", ")
	return h
}
