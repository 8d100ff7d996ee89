// Package overhttp carries work to runners by HTTP on the loopback interface, and tokens back
// as server-sent events: one connection for each stream, JSON for each token. That is how
// such servers are commonly built; it is here to be compared with.
package overhttp

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"shmring/examples/runner/engine"
)

const (
	backlog = 256 // requests that a runner has not taken yet
	ahead   = 256 // tokens that a connection may be behind before the runner waits
)

// port is the runner's side: an HTTP server that is an engine.Port.
type port struct {
	requests chan engine.Request
	ended    chan struct{} // no more requests will come
	status   atomic.Pointer[engine.Status]
	cancels  atomic.Int64  // len(gone)
	news     chan struct{} // has room for one: gone has grown

	mu      sync.Mutex
	gone    []uint64
	streams map[uint64]chan engine.Token
	embeds  map[uint64]chan []byte
}

// Run is a runner: it tells its address on standard output, and serves until standard input
// ends, which it does when the server lets go of it or dies.
func Run(ctx context.Context, o engine.Options) error {
	p := &port{
		requests: make(chan engine.Request, backlog), ended: make(chan struct{}),
		streams: make(map[uint64]chan engine.Token), embeds: make(map[uint64]chan []byte),
		news: make(chan struct{}, 1),
	}
	p.status.Store(&engine.Status{})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /generate", p.generate)
	mux.HandleFunc("POST /embed", p.embed)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(p.status.Load()) // the server may have gone
	})
	web := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it
		close(p.ended)
	}()
	err = engine.Run(ctx, p, o)
	err = errors.Join(err, web.Close())
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// generate answers with the tokens of one request. Its connection is its life.
func (p *port) generate(w http.ResponseWriter, r *http.Request) {
	var request engine.Request
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	tokens := make(chan engine.Token, ahead)
	p.mu.Lock()
	p.streams[request.ID] = tokens
	p.mu.Unlock()
	ended := false
	defer func() { p.forget(request.ID, ended) }()
	if !p.queue(r.Context(), request) {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	for flush.Flush() == nil { // at first the head, for which the server waits
		select {
		case t := <-tokens:
			if ended = write(w, t, tokens); ended {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// write writes a token and those that are there behind it. It returns true at the end. What
// cannot be written is found by the next flush.
func write(w io.Writer, t engine.Token, more <-chan engine.Token) bool {
	for {
		if t.End != engine.Live {
			_, _ = io.WriteString(w, "data: [DONE]\n\n") // the server may have gone
			return true
		}
		text, _ := json.Marshal(t) // numbers only
		_, _ = fmt.Fprintf(w, "data: %s\n\n", text)
		select {
		case t = <-more:
		default:
			return false
		}
	}
}

func (p *port) queue(ctx context.Context, request engine.Request) bool {
	select {
	case p.requests <- request:
		return true
	case <-ctx.Done():
		return false
	}
}

// forget ends a stream; if it has not ended by itself, that is a cancel.
func (p *port) forget(id uint64, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.streams, id)
	if ended {
		return
	}
	p.gone = append(p.gone, id)
	p.cancels.Store(int64(len(p.gone)))
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// embed answers with one embedding, as its little-endian bytes.
func (p *port) embed(w http.ResponseWriter, r *http.Request) {
	var request engine.Request
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	done := make(chan []byte, 1)
	p.mu.Lock()
	p.embeds[request.ID] = done
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.embeds, request.ID)
		p.mu.Unlock()
	}()
	if !p.queue(r.Context(), request) {
		return
	}
	select {
	case b := <-done:
		_, _ = w.Write(b) // the server may have gone
	case <-r.Context().Done():
	}
}

// Take implements engine.Port.
func (p *port) Take(ctx context.Context, dst []engine.Request, wait bool) (int, error) {
	n := 0
	if wait {
		select {
		case dst[0] = <-p.requests:
			n = 1
		case <-p.ended:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	for ; n < len(dst); n++ {
		select {
		case dst[n] = <-p.requests:
			continue
		default:
		}
		break
	}
	select {
	case <-p.ended:
		if n == 0 {
			return 0, io.EOF
		}
	default:
	}
	return n, nil
}

// Cancelled implements engine.Port.
func (p *port) Cancelled(dst []uint64) []uint64 {
	if p.cancels.Load() == 0 {
		return dst
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	dst = append(dst, p.gone...)
	p.gone = p.gone[:0]
	p.cancels.Store(0)
	return dst
}

// Send implements engine.Port. While a connection is far behind, all sequences wait for it,
// or for a cancel.
func (p *port) Send(ctx context.Context, ts []engine.Token) (int, error) {
	for i, t := range ts {
		p.mu.Lock()
		s := p.streams[t.ID]
		p.mu.Unlock()
		if s == nil {
			continue
		}
		select {
		case s <- t:
			continue
		default:
		}
		select {
		case s <- t:
		case <-p.news:
			return i, nil
		case <-ctx.Done():
			return i, context.Cause(ctx)
		}
	}
	return len(ts), nil
}

// Embedding implements engine.Port: it is made on the heap, and copied to a connection.
func (p *port) Embedding(_ context.Context, id uint64, n int, fill func([]float32)) error {
	v := make([]float32, n)
	fill(v)
	b := make([]byte, 0, 4*n)
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if done := p.embeds[id]; done != nil {
		done <- b // it has room for one
	}
	return nil
}

// Tell implements engine.Port.
func (p *port) Tell(s engine.Status) { p.status.Store(&s) }
