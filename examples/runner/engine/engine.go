package engine

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"shmring/examples/runner/ngram"
)

// Defaults of Options.
const (
	DefaultBatch = 64
	embedBacklog = 64
	earlyCancels = 4096 // more than requests that wait in any channel of usual size
)

// Options describe an engine.
type Options struct {
	Model *ngram.Model
	Batch int // most sequences at a time; 0: DefaultBatch
	// Step is the shortest time from step to step. The n-gram model takes microseconds; this
	// stands for the milliseconds that a large model computes. 0: as fast as it goes.
	Step time.Duration
}

// sequence is one that is live.
type sequence struct {
	id          uint64
	index, most uint32
	text        *ngram.Sequence
}

// engine is the state of one run. It belongs to the goroutine of Run.
type engine struct {
	Options
	port    Port
	live    []sequence
	inbox   []Request
	tokens  []Token
	ids     []uint64
	early   []uint64 // cancelled, and not live; the last few
	embeds  chan Request
	ended   bool // no more requests will come
	status  Status
	began   time.Time // of the step
	timer   *time.Timer
	changed bool // the status
}

// Run serves the port until it says io.EOF and what is live is finished, or an error.
func Run(ctx context.Context, port Port, o Options) error {
	if o.Batch <= 0 {
		o.Batch = DefaultBatch
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	e := &engine{
		Options: o, port: port, inbox: make([]Request, o.Batch),
		embeds: make(chan Request, embedBacklog), timer: time.NewTimer(0), changed: true,
	}
	var embedder sync.WaitGroup
	embedder.Go(func() {
		if err := e.embed(ctx); err != nil {
			cancel(err)
		}
	})
	err := e.run(ctx)
	close(e.embeds)
	if err != nil {
		cancel(err)
	}
	embedder.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// run is the loop: admit, look for cancels, one step, one batch.
func (e *engine) run(ctx context.Context) error {
	for {
		if err := e.admit(ctx); err != nil {
			return err
		}
		e.drop()
		e.tell()
		if len(e.live) == 0 && len(e.tokens) == 0 {
			if e.ended {
				return nil
			}
			continue
		}
		e.step()
		if err := e.pace(ctx); err != nil {
			return err
		}
		if err := e.send(ctx); err != nil {
			return err
		}
	}
}

// admit takes as many requests as there are free slots. It waits only when nothing is live.
func (e *engine) admit(ctx context.Context) error {
	room := min(e.Batch-len(e.live), embedBacklog-len(e.embeds))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e.ended || room <= 0 {
		return nil
	}
	idle := len(e.live) == 0 && len(e.tokens) == 0
	if idle {
		e.tell()
	}
	n, err := e.port.Take(ctx, e.inbox[:room], idle)
	if errors.Is(err, io.EOF) {
		e.ended, err = true, nil
	}
	for _, r := range e.inbox[:n] {
		if r.Dimensions > 0 {
			e.embeds <- r // there is room: nobody else sends
			continue
		}
		e.live = append(e.live, sequence{
			id: r.ID, most: uint32(max(r.Max, 0)), text: e.Model.Begin(r.Prompt, r.Seed),
		})
		e.changed = true
		if i := slices.Index(e.early, r.ID); i >= 0 {
			e.early = slices.Delete(e.early, i, i+1)
			e.cancel(len(e.live) - 1)
		}
	}
	return err
}

// drop frees the slots of what was cancelled: before the next step, so that no token is
// computed for nobody.
func (e *engine) drop() {
	e.ids = e.port.Cancelled(e.ids[:0])
	for _, id := range e.ids {
		i := slices.IndexFunc(e.live, func(s sequence) bool { return s.id == id })
		if i >= 0 {
			e.cancel(i)
			continue
		}
		// It has ended, or its request is still on its way: cancels overtake requests.
		if e.early = append(e.early, id); len(e.early) > earlyCancels {
			e.early = slices.Delete(e.early, 0, 1)
		}
	}
}

// cancel frees slot i. What was computed for it and not sent is not sent any more.
func (e *engine) cancel(i int) {
	id := e.live[i].id
	e.tokens = slices.DeleteFunc(e.tokens, func(t Token) bool { return t.ID == id })
	e.free(i, Cancelled)
	e.status.Freed++
	e.status.Last = time.Now()
}

// free ends the sequence in slot i.
func (e *engine) free(i int, why End) {
	s := e.live[i]
	e.tokens = append(e.tokens, Token{ID: s.id, Index: s.index, End: why})
	e.live[i] = e.live[len(e.live)-1]
	e.live = e.live[:len(e.live)-1]
	e.changed = true
}

// step generates one token for every live sequence.
func (e *engine) step() {
	e.began = time.Now()
	for i := len(e.live) - 1; i >= 0; i-- { // backwards: free moves the last one here
		s := &e.live[i]
		if s.index < s.most {
			t := Token{ID: s.id, Index: s.index, Byte: s.text.Next()}
			e.tokens = append(e.tokens, t)
			s.index++
			e.status.Tokens++
		}
		if s.index >= s.most {
			e.free(i, Done)
		}
	}
	e.status.Steps++
	e.changed = true
}

// pace waits until the step has taken as long as it shall.
func (e *engine) pace(ctx context.Context) error {
	rest := e.Step - time.Since(e.began)
	if rest <= 0 {
		return nil
	}
	e.timer.Reset(rest)
	select {
	case <-e.timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// send sends the tokens of the step. While there is no room for them, cancels are heard.
func (e *engine) send(ctx context.Context) error {
	for len(e.tokens) > 0 {
		n, err := e.port.Send(ctx, e.tokens)
		e.tokens = e.tokens[:copy(e.tokens, e.tokens[n:])]
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if len(e.tokens) > 0 {
			e.drop()
			e.tell()
		}
	}
	return nil
}

func (e *engine) tell() {
	if e.changed {
		e.status.Live = len(e.live)
		e.port.Tell(e.status)
		e.changed = false
	}
}

// embed makes embeddings beside the steps, so that a large one delays no token.
func (e *engine) embed(ctx context.Context) error {
	for r := range e.embeds {
		err := e.port.Embedding(ctx, r.ID, r.Dimensions, func(v []float32) {
			ngram.Embed(v, r.Prompt)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
