//go:build linux

package link_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/link"
	"shmring/manager"
)

func init() {
	children["count"] = func(_ *shmtest.Conn, args []string) error {
		return runner(func(r *link.Runner) error { return count(r, args[0]) })(nil, nil)
	}
	children["exit-3"] = func(*shmtest.Conn, []string) error { os.Exit(3); return nil }
	children["join-and-leave"] = runner(func(*link.Runner) error { return nil })
	children["never-join"] = func(*shmtest.Conn, []string) error { select {} }
}

// atOnce lets the next runner start at once.
func atOnce() manager.Backoff {
	return &manager.Exponential{First: time.Microsecond, Most: time.Microsecond, Attempts: 1000}
}

// count answers the first request by numbers without an end, each with its own process id,
// and counts those that were accepted in a file that survives it.
func count(r *link.Runner, path string) error {
	words, err := shmtest.Words(path, 1)
	if err != nil {
		return err
	}
	f, err := r.Recv(r.Context())
	if err != nil {
		return err
	}
	defer f.Release()
	for i := uint64(0); ; i++ {
		err := r.Send(r.Context(), link.Frame{
			ID: f.ID, Kind: link.Token, Aux: uint32(os.Getpid()),
			Payload: binary.LittleEndian.AppendUint64(nil, i),
		})
		if err != nil {
			return err
		}
		words[0].Store(i + 1)
	}
}

// countFrom checks that the tokens of a counting runner are the next ones, all of one process.
func countFrom(f link.Frame, next uint64, pid int) error {
	i := binary.LittleEndian.Uint64(f.Payload)
	if i != next || int(f.Aux) != pid {
		return fmt.Errorf("token %d of process %d, want %d of %d", i, f.Aux, next, pid)
	}
	return nil
}

func TestTokensOfAKilledRunnerComeFirstAndNoneAfterItsEnd(t *testing.T) {
	const rounds = 4
	ctx, _ := begin(t)
	var accepted [rounds]string
	for i := range accepted {
		accepted[i] = filepath.Join(t.TempDir(), "accepted")
	}
	round := 0
	seen := make(map[link.ID]int)
	var exits []link.Exit
	report, err := link.Run(ctx, link.Options{
		Command: func(ctx context.Context) *exec.Cmd {
			return command("count", accepted[round])(ctx)
		},
		Restart: atOnce, OnExit: func(e link.Exit) { exits = append(exits, e) },
	}, func(ctx context.Context, s *link.Server) error {
		seen[s.Instance()]++
		if err := ask(ctx, s, 1, "count"); err != nil {
			return err
		}
		next := uint64(0)
		for f, err := range s.Frames(ctx) {
			if err != nil {
				words, werr := shmtest.Words(accepted[round], 1)
				require.NoError(t, werr)
				assert.GreaterOrEqual(t, next, words[0].Load(), "an acknowledged token was lost")
				var end *link.EndedError
				require.ErrorAs(t, err, &end)
				assert.Equal(t, s.PID(), end.PID)
				require.ErrorContains(t, err, fmt.Sprintf("runner pid %d", s.PID()))
				require.ErrorContains(t, err, "signal: killed")
				<-s.Done()
				if round++; round == rounds {
					return nil
				}
				return err
			}
			if err := countFrom(f, next, s.PID()); err != nil {
				return err
			}
			if next++; next == uint64(100*(round+1)) {
				require.NoError(t, syscall.Kill(s.PID(), syscall.SIGKILL))
			}
		}
		return errors.New("an end without an error")
	})
	require.NoError(t, err)
	assert.Equal(t, rounds, report.Instances)
	assert.Len(t, seen, rounds, "each instance is another one")
	for i, e := range exits {
		require.ErrorIs(t, e.Err, link.ErrRunnerEnded, "instance %d", i)
		assert.Zero(t, e.Late)
	}
}

// TestTokensThatServeDidNotReceiveAreGivenToLate lets serve look away while its runner dies.
func TestTokensThatServeDidNotReceiveAreGivenToLate(t *testing.T) {
	ctx, _ := begin(t)
	accepted := filepath.Join(t.TempDir(), "accepted")
	next, pid := uint64(0), 0
	report, err := link.Run(ctx, link.Options{
		Command: command("count", accepted), Restart: atOnce,
		Late: func(_ *link.Server, f link.Frame) {
			assert.NoError(t, countFrom(f, next, pid))
			next++
		},
	}, func(ctx context.Context, s *link.Server) error {
		if pid != 0 {
			return nil
		}
		pid = s.PID()
		if err := ask(ctx, s, 1, "count"); err != nil {
			return err
		}
		f, err := s.Recv(ctx) // it is in the middle of it
		if err != nil {
			return err
		}
		require.NoError(t, countFrom(f, next, pid))
		f.Release()
		next++
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		<-s.Done()
		return ask(ctx, s, 2, "more")
	})
	require.NoError(t, err)
	assert.Equal(t, 2, report.Instances)
	words, err := shmtest.Words(accepted, 1)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, next, words[0].Load())
	assert.Equal(t, next-1, report.Late)
}

func TestRunnerThatSaysGoodbyeUnaskedIsReplaced(t *testing.T) {
	ctx, _ := begin(t)
	instances := 0
	report, err := link.Run(ctx, link.Options{Command: command("join-and-leave"), Restart: atOnce},
		func(ctx context.Context, s *link.Server) error {
			_, err := s.Recv(ctx)
			require.ErrorIs(t, err, link.ErrRunnerEnded)
			assert.ErrorContains(t, err, "said goodbye unasked")
			if instances++; instances == 3 {
				return nil
			}
			return err
		})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, report.Instances, 3) // some may be over before they are served
}

func TestRestartsBackOffAndGiveUpWithTheCause(t *testing.T) {
	ctx, _ := begin(t)
	var waits []time.Duration
	policy := func() manager.Backoff {
		return recorded{
			&manager.Exponential{First: time.Millisecond, Most: 8 * time.Millisecond, Attempts: 6},
			&waits,
		}
	}
	report, err := link.Run(ctx, link.Options{Command: command("exit-3"), Restart: policy},
		func(context.Context, *link.Server) error { return errors.New("served") })
	require.ErrorIs(t, err, link.ErrStopped)
	require.ErrorContains(t, err, "before it joined: exit status 3")
	assert.Equal(t, 6, report.Instances)
	assert.False(t, report.Last.Joined)
	require.Len(t, waits, 6)
	assert.GreaterOrEqual(t, waits[4], 4*time.Millisecond, "the pauses grow")
}

// recorded notes what a policy says.
type recorded struct {
	manager.Backoff
	waits *[]time.Duration
}

func (r recorded) NextBackOff() time.Duration {
	d := r.Backoff.NextBackOff()
	*r.waits = append(*r.waits, d)
	return d
}

func TestRunnerThatCannotBeStartedIsAnErrorOfStart(t *testing.T) {
	ctx, _ := begin(t)
	missing := filepath.Join(t.TempDir(), "no-such-runner")
	_, err := link.Start(ctx, link.Options{
		Command: func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, missing) },
	}, func(context.Context, *link.Server) error { return nil })
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "start the runner "+missing)
}

func TestRunnerThatNeverJoinsIsKilled(t *testing.T) {
	ctx, _ := begin(t)
	report, err := link.Run(ctx, link.Options{
		Command: command("never-join"), JoinWithin: 10 * time.Millisecond,
		Restart: func() manager.Backoff { return &manager.Exponential{Attempts: 1} },
	}, func(context.Context, *link.Server) error { return errors.New("served") })
	require.ErrorIs(t, err, link.ErrStopped)
	require.ErrorContains(t, err, "did not call link.Join within 10ms")
	assert.True(t, report.Last.Killed)
}

func TestProcessThatNoServerStartedHasNoLink(t *testing.T) {
	_, err := link.Join(t.Context())
	require.ErrorIs(t, err, link.ErrNoLink)
}

func TestSendToADeadRunnerNamesIt(t *testing.T) {
	ctx, _ := begin(t)
	_, err := link.Run(ctx, link.Options{Command: command("echo")},
		func(ctx context.Context, s *link.Server) error {
			require.NoError(t, syscall.Kill(s.PID(), syscall.SIGKILL))
			<-s.Done()
			for _, err := range []error{
				ask(ctx, s, 1, "nobody"), s.Cancel(ctx, 1), s.Err(),
			} {
				require.ErrorIs(t, err, link.ErrRunnerEnded)
				require.ErrorContains(t, err, fmt.Sprint(s.PID()))
			}
			_, err := s.Reserve(ctx, link.Frame{}, 10)
			require.ErrorIs(t, err, link.ErrRunnerEnded)
			assert.NotErrorIs(t, err, channel.ErrClosed)
			return nil
		})
	require.NoError(t, err)
}

func TestGoodbyeThatWasAskedForIsNotCalledUnasked(t *testing.T) {
	for asked, text := range map[bool]string{
		true: "ended: said goodbye, as asked", false: "ended: said goodbye unasked",
	} {
		err := &link.EndedError{Joined: true, Asked: asked}
		require.ErrorContains(t, err, text)
		require.ErrorIs(t, err, link.ErrRunnerEnded)
	}
}
