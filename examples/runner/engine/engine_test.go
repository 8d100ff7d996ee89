package engine_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"shmring/examples/runner/engine"
	"shmring/examples/runner/ngram"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// port is an engine.Port without a transport. Its hooks run in the engine's goroutine.
type port struct {
	requests []engine.Request
	cancels  []uint64
	onSend   func(p *port, ts []engine.Token) int // how many of them it takes
	most     int                                  // sequences in a batch

	mu     sync.Mutex
	text   map[uint64]string
	ends   map[uint64]engine.End
	embeds map[uint64][]float32
	status engine.Status
}

func newPort(rs ...engine.Request) *port {
	return &port{
		requests: rs, text: make(map[uint64]string), ends: make(map[uint64]engine.End),
		embeds: make(map[uint64][]float32),
	}
}

func (p *port) Take(_ context.Context, dst []engine.Request, _ bool) (int, error) {
	if len(p.requests) == 0 {
		return 0, io.EOF
	}
	n := copy(dst, p.requests)
	p.requests = p.requests[n:]
	return n, nil
}

func (p *port) Cancelled(dst []uint64) []uint64 {
	dst = append(dst, p.cancels...)
	p.cancels = nil
	return dst
}

func (p *port) Send(_ context.Context, ts []engine.Token) (int, error) {
	n := len(ts)
	if p.onSend != nil {
		n = p.onSend(p, ts)
	}
	for _, t := range ts[:n] {
		if t.End != engine.Live {
			p.ends[t.ID] = t.End
			continue
		}
		if len(p.text[t.ID]) != int(t.Index) {
			return 0, errors.New("a token out of order")
		}
		p.text[t.ID] += string(rune(t.Byte))
	}
	return n, nil
}

func (p *port) Embedding(_ context.Context, id uint64, n int, fill func([]float32)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.embeds[id] = make([]float32, n)
	fill(p.embeds[id])
	return nil
}

func (p *port) Tell(s engine.Status) {
	p.status = s
	p.most = max(p.most, s.Live)
}

var model = ngram.New([]byte("one sequence after another, and all of them at the same time\n"))

func TestEverySequenceIsWhatTheModelSays(t *testing.T) {
	var rs []engine.Request
	for i := range 20 {
		rs = append(rs, engine.Request{ID: uint64(i + 1), Prompt: "one", Seed: uint64(i), Max: i})
	}
	rs = append(rs, engine.Request{ID: 99, Prompt: "one", Dimensions: 8})
	p := newPort(rs...)
	require.NoError(t, engine.Run(t.Context(), p, engine.Options{Model: model, Batch: 4}))
	for _, r := range rs[:20] {
		assert.Equal(t, string(model.Generate(r.Prompt, r.Seed, r.Max)), p.text[r.ID])
		assert.Equal(t, engine.Done, p.ends[r.ID])
	}
	want := make([]float32, 8)
	ngram.Embed(want, "one")
	assert.Equal(t, want, p.embeds[99])
	assert.Equal(t, 4, p.most)
	assert.Zero(t, p.status.Live)
}

// TestCancelIsHeardWhileNothingCanBeSent has a port without room: nothing of a cancelled
// sequence is sent after that, and the others are whole.
func TestCancelIsHeardWhileNothingCanBeSent(t *testing.T) {
	p := newPort(engine.Request{ID: 1, Max: 10}, engine.Request{ID: 2, Max: 10})
	sends := 0
	p.onSend = func(p *port, ts []engine.Token) int {
		sends++
		if sends == 3 { // the third step does not get out, and 1 is cancelled
			p.cancels = []uint64{1}
			return 0
		}
		return len(ts)
	}
	require.NoError(t, engine.Run(t.Context(), p, engine.Options{Model: model}))
	assert.Equal(t, string(model.Generate("", 0, 2)), p.text[1])
	assert.Equal(t, engine.Cancelled, p.ends[1])
	assert.Equal(t, string(model.Generate("", 0, 10)), p.text[2])
	assert.Equal(t, engine.Done, p.ends[2])
	assert.Equal(t, uint64(1), p.status.Freed)
}

func TestCancelThatOvertookItsRequestIsKept(t *testing.T) {
	p := newPort(engine.Request{ID: 1, Max: 3}, engine.Request{ID: 2, Max: 3})
	p.cancels = []uint64{2} // while 1 fills the batch
	require.NoError(t, engine.Run(t.Context(), p, engine.Options{Model: model, Batch: 1}))
	assert.Equal(t, engine.Done, p.ends[1])
	assert.Equal(t, engine.Cancelled, p.ends[2])
	assert.Empty(t, p.text[2])
}

func TestErrorOfThePortEndsTheRun(t *testing.T) {
	p := newPort(engine.Request{ID: 1, Max: 3})
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	p.onSend = func(*port, []engine.Token) int { cancel(gone); return 0 }
	require.ErrorIs(t, engine.Run(ctx, p, engine.Options{Model: model}), gone)
}
