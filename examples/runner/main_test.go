//go:build linux

package main

import (
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"shmring/examples/runner/client"
	"shmring/examples/runner/ngram"
	"shmring/examples/runner/server"
	"shmring/internal/shmtest"
)

// corpus is a small one: the comments of shmring itself.
const corpus = "../.."

// TestMain also is the runner that a server of a test starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "runner" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

var testModel = sync.OnceValues(func() (*ngram.Model, error) { return model(corpus) })

// prompts are different for each stream.
func prompt(i int) (text string, seed uint64) {
	return strings.Repeat("the ", i%5) + "A Receiver ", uint64(i)
}

// want is what a stream must consist of: the same, generated here.
func want(t *testing.T, i, n int) string {
	t.Helper()
	m, err := testModel()
	require.NoError(t, err)
	text, seed := prompt(i)
	return string(m.Generate(text, seed, n))
}

// scene is a running server.
type scene struct {
	*client.Client
	transport server.Transport
	handler   *server.Server
}

// transports are what a test runs over, once over each.
var transports = []string{"shm", "http"}

// begin starts a server in this process and its runners in theirs.
func begin(t *testing.T, transport string, args ...string) *scene {
	t.Helper()
	s := launch(t, transport, args...)
	s.ready(t)
	return s
}

// ready waits for the runners.
func (s *scene) ready(t *testing.T) {
	t.Helper()
	_, err := s.Await(t.Context(), client.Ready)
	require.NoError(t, err)
}

// launch is begin without waiting for the runners.
func launch(t *testing.T, transport string, args ...string) *scene {
	t.Helper()
	shmtest.Watchdog(t, time.Minute)
	shmtest.Dir(t)
	var s settings
	require.NoError(t, s.parse(append([]string{
		"-transport", transport, "-corpus", corpus, "-debug", "-step", "0",
	}, args...)))
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	tr, err := s.start(t.Context(), log)
	require.NoError(t, err)
	handler := server.New(tr, s.server)
	web := httptest.NewServer(handler)
	c := client.New(web.URL)
	t.Cleanup(func() {
		c.Close()
		web.Close()
		require.NoError(t, tr.Close())
	})
	return &scene{Client: c, transport: tr, handler: handler}
}
