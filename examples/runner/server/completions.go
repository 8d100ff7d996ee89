package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"shmring/examples/runner/engine"
	"shmring/examples/runner/stream"
)

// completion is the body of POST /v1/completions.
type completion struct {
	Prompt    string `json:"prompt"`
	MaxTokens int    `json:"max_tokens"`
	Seed      uint64 `json:"seed"`
	Stream    bool   `json:"stream"`
}

// completions generates a text. The end of the client's connection cancels it.
func (s *Server) completions(w http.ResponseWriter, r *http.Request) {
	var body completion
	id := s.request(w, r, &body)
	if id == 0 {
		return
	}
	if body.MaxTokens < 0 || body.MaxTokens > maxTokens {
		fail(w, http.StatusBadRequest, "bad_request",
			"max_tokens must be from 1 to "+strconv.Itoa(maxTokens))
		return
	}
	s.streams.Add(1)
	defer s.streams.Add(-1)
	began := time.Now()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	// A client that does not read keeps this goroutine in a write: the deadline frees it.
	cut := func() {
		cancel(stream.ErrSlow)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now()) // best effort
	}
	tokens := stream.New(s.Buffer, cut)
	if err := s.transport.Complete(ctx, engineRequest(id, &body), tokens); err != nil {
		s.metrics.ended(err)
		code, kind := classify(err)
		fail(w, code, kind, err.Error())
		return
	}
	out := newWriter(w, id, body.Stream)
	err := s.pump(ctx, tokens, out, began)
	s.metrics.ended(err)
	out.end(err)
}

// pump writes what comes until the end: nil if it is the one that was asked for.
func (s *Server) pump(
	ctx context.Context, from *stream.Stream, to *writer, began time.Time,
) error {
	var ts []engine.Token
	first := true
	for {
		var err error
		ts, err = from.Next(ctx, ts[:0])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if first {
			s.metrics.first.Observe(time.Since(began).Seconds())
			first = false
		}
		s.metrics.tokens.Add(float64(len(ts)))
		if err := to.write(ts); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause // it was cut, or the client has gone
			}
			return err
		}
	}
}

// classify gives an error its status and its name.
func classify(err error) (code int, kind string) {
	switch {
	case errors.Is(err, ErrDraining):
		return http.StatusServiceUnavailable, "draining"
	case errors.Is(err, ErrNoRunner):
		return http.StatusServiceUnavailable, "no_runner"
	case errors.Is(err, ErrRunnerDied):
		return http.StatusBadGateway, "runner_died"
	case errors.Is(err, stream.ErrSlow):
		return http.StatusRequestTimeout, "slow_client"
	case errors.Is(err, context.Canceled):
		return 499, "cancelled" // as nginx counts clients that went away
	}
	return http.StatusInternalServerError, "internal"
}

// quoted has the JSON of every token.
var quoted = func() (q [256]string) {
	for i := range q {
		b, _ := json.Marshal(string(rune(i))) // a string has one
		q[i] = string(b)
	}
	return q
}()

// writer writes a completion, as events or as one answer.
type writer struct {
	w      http.ResponseWriter
	flush  *http.ResponseController
	stream bool
	head   string // of each event
	buffer []byte
	id     uint64
	text   []byte // if it is one answer
}

func newWriter(w http.ResponseWriter, id uint64, events bool) *writer {
	name := "cmpl-" + strconv.FormatUint(id, 10)
	out := &writer{w: w, flush: http.NewResponseController(w), stream: events, id: id}
	if events {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		out.head = `data: {"id":"` + name + `","object":"text_completion","choices":[{"index":0,` +
			`"text":`
	}
	return out
}

// write writes one event for each token, and flushes once.
func (o *writer) write(ts []engine.Token) error {
	o.buffer = o.buffer[:0]
	for _, t := range ts {
		if !o.stream {
			o.text = append(o.text, t.Byte)
			continue
		}
		o.buffer = append(append(o.buffer, o.head...), quoted[t.Byte]...)
		o.buffer = append(o.buffer, ",\"finish_reason\":null}]}\n\n"...)
	}
	if !o.stream {
		return nil
	}
	if _, err := o.w.Write(o.buffer); err != nil {
		return err
	}
	return o.flush.Flush()
}

// end writes the last event, or the answer. An error is an event of its own: what came
// before it stands.
func (o *writer) end(err error) {
	code, kind := http.StatusOK, ""
	var f failure
	if err != nil {
		code, kind = classify(err)
		f.Error.Message, f.Error.Type = err.Error(), kind
	}
	if !o.stream {
		if err != nil {
			reply(o.w, code, f)
			return
		}
		reply(o.w, code, map[string]any{
			"id": "cmpl-" + strconv.FormatUint(o.id, 10), "object": "text_completion",
			"choices": []map[string]any{
				{"index": 0, "text": string(o.text), "finish_reason": "length"},
			},
		})
		return
	}
	o.buffer = o.buffer[:0]
	if err != nil {
		text, _ := json.Marshal(f) // strings only
		o.buffer = append(append(append(o.buffer, "event: error\ndata: "...), text...), "\n\n"...)
	} else {
		o.buffer = append(append(o.buffer, o.head...), `"","finish_reason":"length"}]}`...)
		o.buffer = append(o.buffer, "\n\ndata: [DONE]\n\n"...)
	}
	if _, werr := o.w.Write(o.buffer); werr == nil {
		_ = o.flush.Flush() // the client may have gone
	}
}
