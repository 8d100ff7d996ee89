package server

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"shmring/examples/runner/engine"
)

// Limits of what a client may ask for.
const (
	maxBody       = 1 << 20
	maxTokens     = 1 << 20
	defaultTokens = 128
)

// Options describe a Server.
type Options struct {
	Model  string // its name
	Buffer int    // tokens that a slow client may be behind; 0: stream.DefaultLimit
	// MaxDimensions is the longest embedding; 0: ngram.DefaultDimensions.
	MaxDimensions int
	// Debug adds what a demonstration needs and a service must not have: POST /debug/hold.
	Debug bool
}

// A Server answers HTTP requests by a Transport. It is an http.Handler.
type Server struct {
	http.Handler
	Options
	transport Transport
	metrics   *metrics
	ids       atomic.Uint64
	streams   atomic.Int64 // completions under way
	draining  atomic.Bool
}

// New returns a Server over t. It does not close t.
func New(t Transport, o Options) *Server {
	s := &Server{Options: o, transport: t}
	s.metrics = newMetrics(t)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/completions", s.completions)
	mux.HandleFunc("POST /v1/embeddings", s.embeddings)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.Handle("GET /metrics", s.metrics.handler())
	if h, ok := t.(Holder); ok && o.Debug {
		mux.HandleFunc("POST /debug/hold", func(w http.ResponseWriter, r *http.Request) {
			s.hold(h, w, r)
		})
	}
	s.Handler = mux
	return s
}

// A Holder is a Transport that can be told to take no tokens for a while, so that its
// channels fill.
type Holder interface{ Hold(time.Duration) }

func (s *Server) hold(h Holder, w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.URL.Query().Get("for"))
	if err != nil {
		fail(w, http.StatusBadRequest, "bad_request", err.Error())
		return
	}
	h.Hold(d)
}

// Drain refuses new work and waits for the end of what is under way: the runners' and the
// clients' side of it.
func (s *Server) Drain(ctx context.Context, left func(int)) error {
	s.draining.Store(true)
	return s.transport.Drain(ctx, left)
}

// request numbers a request; 0 stands for one that was refused.
func (s *Server) request(w http.ResponseWriter, r *http.Request, body any) (id uint64) {
	if s.draining.Load() {
		fail(w, http.StatusServiceUnavailable, "draining", ErrDraining.Error())
		return 0
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	if err := d.Decode(body); err != nil {
		fail(w, http.StatusBadRequest, "bad_request", err.Error())
		return 0
	}
	return s.ids.Add(1)
}

// failure is the body of an answer that is an error, as such servers write it.
type failure struct {
	Error struct {
		Message string `json:"message"`
		Type    string `json:"type"`
	} `json:"error"`
}

func fail(w http.ResponseWriter, code int, kind, message string) {
	var f failure
	f.Error.Message, f.Error.Type = message, kind
	reply(w, code, f)
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}

// RunnerHealth is one runner in the answer of /healthz.
type RunnerHealth struct {
	Name     string  `json:"name"`
	PID      int     `json:"pid"`
	Restarts int     `json:"restarts"`
	Uptime   float64 `json:"uptime_seconds"`
	Pending  int     `json:"pending"`
	Live     int     `json:"live"`
	Steps    uint64  `json:"steps"`
	Freed    uint64  `json:"freed"`
	LastFree int64   `json:"last_free_unix_nano,omitempty"`
	Trouble  string  `json:"trouble,omitempty"`
}

// Health is the answer of /healthz.
type Health struct {
	Status  string         `json:"status"` // "ok", "degraded", "draining"
	Model   string         `json:"model"`
	Streams int64          `json:"streams"`
	Runners []RunnerHealth `json:"runners"`
}

// healthz answers 200 if every runner is well, else 503 and why.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	h := Health{Status: "ok", Model: s.Model, Streams: s.streams.Load()}
	for _, x := range s.transport.Health(r.Context()) {
		h.Runners = append(h.Runners, runnerHealth(x))
		if x.Trouble != "" {
			h.Status = "degraded"
		}
	}
	if s.draining.Load() {
		h.Status = "draining"
	}
	code := http.StatusOK
	if h.Status != "ok" {
		code = http.StatusServiceUnavailable
	}
	reply(w, code, h)
}

func runnerHealth(x Runner) RunnerHealth {
	h := RunnerHealth{
		Name: x.Name, PID: x.PID, Restarts: x.Restarts, Pending: x.Pending,
		Live: x.Status.Live, Steps: x.Status.Steps, Freed: x.Status.Freed, Trouble: x.Trouble,
	}
	if !x.Started.IsZero() {
		h.Uptime = time.Since(x.Started).Seconds()
	}
	if !x.Status.Last.IsZero() {
		h.LastFree = x.Status.Last.UnixNano()
	}
	return h
}

// engineRequest is what a runner gets of a completion.
func engineRequest(id uint64, c *completion) engine.Request {
	r := engine.Request{ID: id, Prompt: c.Prompt, Seed: c.Seed, Max: c.MaxTokens}
	if r.Max == 0 {
		r.Max = defaultTokens
	}
	return r
}
