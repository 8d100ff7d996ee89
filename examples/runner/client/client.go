// Package client is a small client of the server: what the tests and the demonstration drive
// it with.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"shmring/examples/runner/server"
)

// A Client talks to one server. It may be used by several goroutines.
type Client struct {
	Base string // as http://127.0.0.1:8080
	HTTP *http.Client
}

// New returns a Client with connections of its own.
func New(base string) *Client {
	return &Client{Base: base, HTTP: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 256, DisableCompression: true,
	}}}
}

// Close closes idle connections.
func (c *Client) Close() { c.HTTP.CloseIdleConnections() }

// A Request is one completion.
type Request struct {
	Prompt string `json:"prompt"`
	Seed   uint64 `json:"seed"`
	Max    int    `json:"max_tokens"`
	Stream bool   `json:"stream"`

	// OnToken, if not nil, is called with the number of tokens after each; an error that it
	// returns ends the request.
	OnToken func(n int) error `json:"-"`
}

// A Result is what came of a request.
type Result struct {
	Began time.Time
	Text  []byte
	Times []time.Time // of each token
	Done  bool        // the server said that it is complete
	Ended time.Time
	Err   error // of the connection, of OnToken, or a *ServerError
}

// A ServerError is an error that the server told.
type ServerError struct {
	Code          int // 0: by an event in a stream
	Type, Message string
}

// Error implements error.
func (e *ServerError) Error() string { return e.Type + ": " + e.Message }

// Complete streams one completion.
func (c *Client) Complete(ctx context.Context, q Request) *Result {
	q.Stream = true
	r := &Result{Began: time.Now()}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := c.post(ctx, "/v1/completions", q, "")
	if err == nil {
		err = errors.Join(r.read(p.Body, q.OnToken, cancel), p.Body.Close())
	}
	r.Err, r.Ended = err, time.Now()
	return r
}

// event is what the data of an event can be.
type event struct {
	Choices []struct {
		Text   string `json:"text"`
		Finish string `json:"finish_reason"`
	} `json:"choices"`
	Error *ServerError `json:"error"`
}

// read reads the events of a stream.
func (r *Result) read(from io.Reader, onToken func(int) error, cancel func()) error {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		if string(data) == "[DONE]" {
			r.Done = true
			return nil
		}
		var e event
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("event %q: %w", data, err)
		}
		if e.Error != nil {
			return e.Error
		}
		if len(e.Choices) == 0 || e.Choices[0].Finish != "" {
			continue
		}
		r.Text = append(r.Text, e.Choices[0].Text...)
		r.Times = append(r.Times, time.Now())
		if onToken != nil {
			if err := onToken(len(r.Times)); err != nil {
				cancel() // before the body is closed, which would read on
				return err
			}
		}
	}
	return errors.Join(io.ErrUnexpectedEOF, lines.Err())
}

func (c *Client) post(
	ctx context.Context, path string, body any, accept string,
) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Base+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	if accept != "" {
		q.Header.Set("Accept", accept)
	}
	p, err := c.HTTP.Do(q)
	if err != nil {
		return nil, err
	}
	if p.StatusCode != http.StatusOK {
		defer p.Body.Close()
		var e event
		if err := json.NewDecoder(p.Body).Decode(&e); err != nil || e.Error == nil {
			return nil, fmt.Errorf("%s: %s", path, p.Status)
		}
		e.Error.Code = p.StatusCode
		return nil, e.Error
	}
	return p, nil
}

// Embed returns an embedding as the bytes that the runner wrote.
func (c *Client) Embed(ctx context.Context, text string, dimensions int) ([]byte, error) {
	p, err := c.post(ctx, "/v1/embeddings",
		map[string]any{"input": text, "dimensions": dimensions}, "application/octet-stream")
	if err != nil {
		return nil, err
	}
	b := make([]byte, 4*dimensions)
	_, err = io.ReadFull(p.Body, b)
	return b, errors.Join(err, p.Body.Close())
}

// Health returns the answer of /healthz and its status code.
func (c *Client) Health(ctx context.Context) (h server.Health, code int, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+"/healthz", nil)
	if err != nil {
		return h, 0, err
	}
	p, err := c.HTTP.Do(q)
	if err != nil {
		return h, 0, err
	}
	err = json.NewDecoder(p.Body).Decode(&h)
	return h, p.StatusCode, errors.Join(err, p.Body.Close())
}

// Await asks for the health until f says that it is what is waited for, or ctx ends.
func (c *Client) Await(ctx context.Context, f func(server.Health) bool) (server.Health, error) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		h, _, err := c.Health(ctx)
		if err == nil && f(h) {
			return h, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return h, errors.Join(context.Cause(ctx), err)
		}
	}
}

// Ready is for Await: every runner is up and well.
func Ready(h server.Health) bool {
	for _, r := range h.Runners {
		if r.Trouble != "" || r.PID == 0 {
			return false
		}
	}
	return len(h.Runners) > 0
}
