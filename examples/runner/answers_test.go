//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/examples/runner/client"
	"shmring/examples/runner/ngram"
	"shmring/examples/runner/server"
)

func TestEmbeddingsAreWhatIsComputedInPlace(t *testing.T) {
	for _, name := range transports {
		t.Run(name, func(t *testing.T) {
			const longest = 1 << 19 // 2 MiB
			s := begin(t, name, "-runners", "1", "-max-dimensions", fmt.Sprint(longest))
			for _, n := range []int{1, 7, 1024, longest} {
				want := make([]float32, n)
				ngram.Embed(want, "a text")
				b, err := s.Embed(t.Context(), "a text", n)
				require.NoError(t, err)
				require.Len(t, b, 4*n)
				for i, w := range want {
					got := math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
					require.InDelta(t, w, got, 0, "number %d of %d", i, n)
				}
			}
			_, err := s.Embed(t.Context(), "a text", longest+1)
			var told *client.ServerError
			require.ErrorAs(t, err, &told)
			assert.Equal(t, http.StatusBadRequest, told.Code)
		})
	}
}

// get returns the body of a page.
func (s *scene) get(t *testing.T, path string) string {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Base+path, nil)
	require.NoError(t, err)
	p, err := s.HTTP.Do(q)
	require.NoError(t, err)
	b, err := io.ReadAll(p.Body)
	require.NoError(t, err)
	require.NoError(t, p.Body.Close())
	return string(b)
}

func TestMetricsTellOfRequestsAndRunners(t *testing.T) {
	for _, name := range transports {
		t.Run(name, func(t *testing.T) {
			s := begin(t, name)
			for _, r := range s.many(t, 3, 10) {
				require.NoError(t, r.Err)
			}
			_, err := s.Await(t.Context(), func(h server.Health) bool { return h.Streams == 0 })
			require.NoError(t, err)
			text := s.get(t, "/metrics")
			for _, line := range []string{
				"server_tokens_total 30", `server_requests_total{end="done"} 3`,
				`runner_up{runner="runner-0"} 1`, `runner_restarts_total{runner="runner-1"} 0`,
			} {
				assert.Contains(t, text, line+"\n")
			}
			if name == "shm" {
				line := `shmring_queue_capacity_items{queue="runner-0.requests"} 256`
				assert.Contains(t, text, line+"\n")
			}
		})
	}
}

// TestClientThatDoesNotReadIsCut has a client that asks for far more than all buffers
// hold, and a batch of one: only when that is cut can the other be served.
func TestClientThatDoesNotReadIsCut(t *testing.T) {
	for _, name := range transports {
		t.Run(name, func(t *testing.T) {
			s := begin(t, name, "-runners", "1", "-batch", "1", "-buffer", "64")
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp",
				strings.TrimPrefix(s.Base, "http://"))
			require.NoError(t, err)
			defer c.Close()
			const body = `{"prompt":"The ","max_tokens":1000000,"stream":true}`
			_, err = fmt.Fprintf(c, "POST /v1/completions HTTP/1.1\r\nHost: test\r\n"+
				"Content-Length: %d\r\n\r\n%s", len(body), body)
			require.NoError(t, err)
			_, err = s.Await(t.Context(), func(h server.Health) bool {
				return h.Runners[0].Freed == 1 && h.Streams == 0
			})
			require.NoError(t, err)
			assert.Contains(t, s.get(t, "/metrics"), `server_requests_total{end="slow_client"} 1`)
			r := s.many(t, 1, 5)[0]
			require.NoError(t, r.Err)
			assert.Equal(t, want(t, 0, 5), string(r.Text))
		})
	}
}

// awaitStopped waits until a signal has stopped a process.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		require.NoError(t, err)
		if strings.Contains(string(b), ") T ") {
			return
		}
		<-tick.C
	}
}

func TestStoppedRunnerIsNamedAndGoesOn(t *testing.T) {
	for _, name := range transports {
		t.Run(name, func(t *testing.T) {
			s := begin(t, name, "-runners", "1", "-step", "1ms", "-stall-after", "200ms")
			h, _, err := s.Health(t.Context())
			require.NoError(t, err)
			p, err := os.FindProcess(h.Runners[0].PID)
			require.NoError(t, err)
			require.NoError(t, p.Signal(syscall.SIGSTOP))
			awaitStopped(t, p.Pid)
			text, seed := prompt(0)
			done := make(chan *client.Result)
			go func() {
				done <- s.Complete(t.Context(), client.Request{Prompt: text, Seed: seed, Max: 100})
			}()
			h, err = s.Await(t.Context(), func(h server.Health) bool {
				return h.Status != "ok" && h.Runners[0].Pending == 1
			})
			require.NoError(t, err)
			require.NoError(t, p.Signal(syscall.SIGCONT))
			trouble := h.Runners[0].Trouble
			assert.Contains(t, trouble, fmt.Sprintf("pid %d", h.Runners[0].PID))
			assert.Contains(t, trouble, "holds 1 requests")
			r := <-done
			require.NoError(t, r.Err)
			assert.Equal(t, want(t, 0, 100), string(r.Text))
		})
	}
}
