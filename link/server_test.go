//go:build linux

package link_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/link"
)

func init() {
	children["serve"] = serve
	children["serve-kill"] = serveKill
	children["wait-for-the-end"] = waitForTheEnd
	children["hang"] = func(*shmtest.Conn, []string) error {
		if _, err := link.Join(context.Background()); err != nil {
			return err
		}
		select {} // it looks at nothing
	}
}

// serve is a server process whose runner is the child function args[0]. It says the runner's
// pid, asks for as many answers as args[1] says, and receives them until SIGTERM.
func serve(c *shmtest.Conn, args []string) error { return serveWith(c, args, false) }

func serveKill(c *shmtest.Conn, args []string) error { return serveWith(c, args, true) }

func serveWith(c *shmtest.Conn, args []string, kill bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o := link.Options{Command: command(args[0]), KillWithServer: kill}
	if args[0] == "hang" || args[0] == "wait-for-the-end" {
		o.Command = heirs(args[0])
	}
	if len(args) > 2 {
		o.Name = args[2]
	}
	tokens, ends := 0, 0
	report, err := link.Run(ctx, o, func(ctx context.Context, s *link.Server) error {
		requests := 0
		if _, err := fmt.Sscan(args[1], &requests); err != nil {
			return err
		}
		for id := range uint64(requests) {
			if err := ask(ctx, s, id, strings.Repeat("word ", 10)); err != nil {
				return err
			}
		}
		c.Say("%d", s.PID())
		for f, err := range s.Frames(ctx) {
			if err != nil {
				return err
			}
			if f.Kind == link.End {
				ends++
			} else {
				tokens++
			}
		}
		return nil
	})
	c.Say("%d tokens, %d ends, %d unread, %d late, stopped: %s", tokens, ends, report.Unread,
		report.Late, report.Reason)
	return errors.Join(err, report.Last.Err)
}

// waitForTheEnd is a runner that says on its standard error why its context ended.
func waitForTheEnd(*shmtest.Conn, []string) error {
	r, err := link.Join(context.Background())
	if err != nil {
		return err
	}
	<-r.Context().Done()
	_, err = r.Recv(r.Context())
	_, terr := r.TryRecv()
	fmt.Fprintf(os.Stderr, "%v\nsend: %v\n%v\n%v\n", context.Cause(r.Context()),
		errors.Is(r.Send(context.Background(), link.Frame{}), link.ErrServerEnded),
		errors.Is(err, link.ErrServerEnded), errors.Is(terr, link.ErrServerEnded))
	_ = r.Close()
	return errors.New("ended")
}

// family starts a server with a runner, and returns the runner's pid, and what collects the
// standard error of both, which ends when both have.
func family(t *testing.T, server string, args ...string) (*shmtest.Child, int, func() string) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "stderr")
	require.NoError(t, err)
	alive, held, err := os.Pipe() // both processes hold its end
	require.NoError(t, err)
	child := shmtest.StartFiles(t, server, []*os.File{held, out}, args...)
	require.NoError(t, held.Close())
	line, ok := child.Hear()
	require.True(t, ok, "%s", child)
	pid := 0
	_, err = fmt.Sscan(line, &pid)
	require.NoError(t, err)
	return child, pid, func() string {
		_, err := io.Copy(io.Discard, alive) // until both are gone
		require.NoError(t, err)
		text, err := os.ReadFile(out.Name())
		require.NoError(t, err)
		require.NoError(t, errors.Join(alive.Close(), out.Close()))
		return string(text)
	}
}

// heirs makes the command of a runner that holds the pipe of family, and writes to its file.
func heirs(name string) func(context.Context) *exec.Cmd {
	held, out := os.NewFile(3, "held"), os.NewFile(4, "out")
	return func(ctx context.Context) *exec.Cmd {
		cmd := command(name)(ctx)
		cmd.ExtraFiles, cmd.Stderr = []*os.File{held}, out
		return cmd
	}
}

func TestRunnerOfAKilledServerEnds(t *testing.T) {
	_, dir := begin(t)
	child, pid, wait := family(t, "serve", "wait-for-the-end", "0")
	child.Kill()
	text := wait()
	assert.Contains(t, text, "the server has ended: sender pid "+fmt.Sprint(child.PID()))
	assert.Contains(t, text, "send: true\ntrue\ntrue\n")
	assert.NotEqual(t, child.PID(), pid)
	empty(t, dir)
}

func TestRunnerThatHangsIsKilledWithItsServer(t *testing.T) {
	_, dir := begin(t)
	child, _, wait := family(t, "serve-kill", "hang", "0")
	child.Kill()
	assert.Empty(t, wait())
	empty(t, dir)
}

func TestKillingServerAndRunnerLeavesNothing(t *testing.T) {
	_, dir := begin(t)
	child, pid, wait := family(t, "serve", "hang", "0")
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	child.Kill()
	wait()
	empty(t, dir)
}

func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestServerThatGetsSIGTERMDeliversEverything(t *testing.T) {
	for _, name := range []string{"", "llm"} {
		t.Run("name "+name, func(t *testing.T) {
			_, dir := begin(t)
			child := shmtest.Start(t, "serve", "echo", "50", name)
			_, ok := child.Hear()
			require.True(t, ok)
			child.Signal(syscall.SIGTERM)
			child.Expect("500 tokens, 50 ends, 0 unread, 0 late, stopped: " +
				"terminated signal received")
			require.NoError(t, child.Wait())
			empty(t, dir)
		})
	}
}

func TestRunnerThatDoesNotFinishInTimeIsKilled(t *testing.T) {
	ctx, _ := begin(t)
	ctx, cancel := context.WithCancelCause(ctx)
	report, err := link.Run(ctx, link.Options{
		Command: command("hang"), StopGrace: time.Millisecond,
	}, func(ctx context.Context, s *link.Server) error {
		require.NoError(t, ask(ctx, s, 1, "are you there"))
		cancel(errors.New("enough"))
		_, err := s.Recv(ctx)
		return err
	})
	require.NoError(t, err)
	assert.Equal(t, "enough", report.Reason)
	assert.True(t, report.Last.Killed && report.Last.Asked)
	assert.EqualValues(t, 1, report.Unread)
	require.ErrorIs(t, report.Last.Err, link.ErrRunnerEnded)
	assert.ErrorContains(t, report.Last.Err, "signal: killed")
}

func TestSupervisorGivesTheInstanceThatIsThere(t *testing.T) {
	ctx, _ := begin(t)
	sup, err := link.Start(ctx, link.Options{Command: command("echo"), Restart: atOnce},
		func(ctx context.Context, s *link.Server) error {
			select {
			case <-s.Done():
				return s.Err()
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	require.NoError(t, err)
	first, err := sup.Server(ctx)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(first.PID(), syscall.SIGKILL))
	<-first.Done()
	second, err := sup.Server(ctx)
	require.NoError(t, err)
	assert.NotEqual(t, first.Instance(), second.Instance())
	require.NoError(t, ask(ctx, second, 1, "one two"))
	require.NoError(t, syscall.Kill(second.PID(), syscall.SIGSTOP)) // else it may be done at once
	sup.Stop("that was all")
	require.ErrorIs(t, stopped(ctx, second), channel.ErrDraining)
	require.NoError(t, syscall.Kill(second.PID(), syscall.SIGKILL)) // serve waits for that
	report, err := sup.Wait()
	require.NoError(t, err)
	assert.Equal(t, "that was all", report.Reason)
	assert.Equal(t, report, sup.Report())
	_, err = sup.Server(ctx)
	require.ErrorIs(t, err, link.ErrStopped)
}

// stopped sends until that fails.
func stopped(ctx context.Context, s *link.Server) error {
	for {
		if err := ask(ctx, s, 2, "more"); err != nil {
			return err
		}
	}
}

func TestErrorOfServeStopsTheLink(t *testing.T) {
	ctx, _ := begin(t)
	_, err := link.Run(ctx, link.Options{Command: command("echo")},
		func(context.Context, *link.Server) error { return os.ErrDeadlineExceeded })
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}
