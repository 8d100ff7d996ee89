//go:build linux

package link_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
	"shmring/link"
)

// resources counts the goroutines and the open files of this process.
func resources(t *testing.T) (goroutines, files int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return runtime.NumGoroutine(), len(entries)
}

// TestNothingIsLeftOfManyInstances restarts a runner often, and counts.
func TestNothingIsLeftOfManyInstances(t *testing.T) {
	ctx, _ := begin(t)
	several := func(instances int) {
		t.Helper()
		report, err := link.Run(ctx, link.Options{Command: command("echo"), Restart: atOnce},
			func(ctx context.Context, s *link.Server) error {
				if instances--; instances == 0 {
					return nil
				}
				require.NoError(t, syscall.Kill(s.PID(), syscall.SIGKILL))
				_, err := s.Recv(ctx)
				return err
			})
		require.NoError(t, err)
		assert.Positive(t, report.Instances)
	}
	several(2) // what a process makes once
	goroutines, files := resources(t)
	several(8)
	for now, open := resources(t); now > goroutines || open > files; now, open = resources(t) {
		shmtest.Yield() // some end a moment later
	}
}

func init() {
	children["polite"] = runner(func(r *link.Runner) error {
		if _, err := link.Join(context.Background()); !errors.Is(err, link.ErrNoLink) {
			return errors.New("the environment variable is still there")
		}
		return echo(r)
	})
}

func TestChildrenOfARunnerGetNoLink(t *testing.T) {
	ctx, _ := begin(t)
	_, err := link.Run(ctx, link.Options{Command: command("polite")},
		func(ctx context.Context, s *link.Server) error {
			require.NoError(t, ask(ctx, s, 1, "to be"))
			_, err := answer(ctx, s, 1)
			return err
		})
	require.NoError(t, err)
}
