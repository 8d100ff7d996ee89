//go:build linux

package link_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
	"shmring/link"
)

func TestMain(m *testing.M) { shmtest.Main(m, children) }

// children are the functions that tests run in processes of their own.
var children = map[string]shmtest.ChildFunc{}

// limit is when a watchdog takes a test for hanging.
const limit = 2 * time.Minute

// begin gives a test its directory of segments, its watchdog and a context.
func begin(t testing.TB) (ctx context.Context, dir string) {
	t.Helper()
	dir = shmtest.Dir(t)
	shmtest.Watchdog(t, limit)
	return t.Context(), dir
}

// command returns a Command that runs a child function.
func command(name string, args ...string) func(context.Context) *exec.Cmd {
	return func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, os.Args[0], args...)
		cmd.Env = append(os.Environ(), shmtest.EnvChild+"="+name)
		cmd.Stderr = os.Stderr
		return cmd
	}
}

// runner makes a child function of what a runner does.
func runner(f func(r *link.Runner) error) shmtest.ChildFunc {
	return func(*shmtest.Conn, []string) error {
		r, err := link.Join(context.Background())
		if err != nil {
			return err
		}
		return errors.Join(f(r), r.Close())
	}
}

func init() {
	children["echo"] = runner(echo)
}

// echo answers each request by its words, one token each.
func echo(r *link.Runner) error {
	ctx := r.Context()
	for f, err := range r.Frames(ctx) {
		if err != nil {
			return err
		}
		for word := range strings.FieldsSeq(string(f.Payload)) {
			if err := r.Send(ctx, link.Frame{
				ID: f.ID, Kind: link.Token, Aux: f.Aux, Payload: []byte(word),
			}); err != nil {
				return err
			}
		}
		if err := r.Send(ctx, link.Frame{ID: f.ID, Kind: link.End}); err != nil {
			return err
		}
	}
	return nil
}

// ask sends a request.
func ask(ctx context.Context, s *link.Server, id uint64, text string) error {
	return s.Send(ctx, link.Frame{ID: id, Kind: link.Request, Aux: 7, Payload: []byte(text)})
}

// answer receives the tokens of one request, whose frames are the next.
func answer(ctx context.Context, s *link.Server, id uint64) (words []string, err error) {
	for f, err := range s.Frames(ctx) {
		switch {
		case err != nil:
			return words, err
		case f.ID != id:
			return words, errors.New("a frame of another request")
		case f.Kind == link.End:
			return words, nil
		}
		words = append(words, string(f.Payload))
	}
	return words, errors.New("the end before the End")
}

func TestServerGetsTheTokensOfItsRequest(t *testing.T) {
	ctx, dir := begin(t)
	report, err := link.Run(ctx, link.Options{Command: command("echo")},
		func(ctx context.Context, s *link.Server) error {
			require.NoError(t, ask(ctx, s, 1, "to be or not"))
			words, err := answer(ctx, s, 1)
			assert.Equal(t, []string{"to", "be", "or", "not"}, words)
			entries, derr := os.ReadDir(dir)
			require.NoError(t, derr)
			assert.Empty(t, entries, "nameless segments have names")
			return err
		})
	require.NoError(t, err)
	assert.Equal(t, 1, report.Instances)
	require.NoError(t, report.Last.Err)
	assert.True(t, report.Last.Joined)
	assert.EqualValues(t, 1, report.Sent)
	assert.EqualValues(t, 5, report.Received)
	assert.Zero(t, report.Late+report.Unread)
}

// withStdin gives a command its input.
func withStdin(
	make func(context.Context) *exec.Cmd, stdin *os.File,
) func(context.Context) *exec.Cmd {
	return func(ctx context.Context) *exec.Cmd {
		cmd := make(ctx)
		cmd.Stdin = stdin
		return cmd
	}
}
