//go:build linux

package link_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
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
	children["flood"] = runner(flood)
	children["compute"] = runner(compute)
	children["obedient"] = runner(obedient)
}

// full are channels that a few frames fill.
var full = channel.Options{Slots: 8, ArenaBytes: channel.NoArena}

// flood sends tokens of its first request until it is cancelled, and publishes the cancel.
func flood(r *link.Runner) error {
	f, err := r.Recv(r.Context())
	if err != nil {
		return err
	}
	defer f.Release()
	batch := make([]link.Frame, 5)
	for i := range batch {
		batch[i] = link.Frame{ID: f.ID, Kind: link.Token}
	}
	for !r.Canceled(f.ID) {
		if _, err := r.SendStep(r.Context(), batch); err != nil {
			return err
		}
	}
	if err := r.Publish(binary.LittleEndian.AppendUint64(nil, f.ID)); err != nil {
		return err
	}
	return r.Send(r.Context(), link.Frame{ID: f.ID, Kind: link.End})
}

// compute is flood that sends nothing: it asks between the steps of its work.
func compute(r *link.Runner) error {
	f, err := r.Recv(r.Context())
	if err != nil {
		return err
	}
	defer f.Release()
	var ids []uint64
	for len(ids) == 0 {
		shmtest.Yield()
		ids = r.Cancels()
	}
	if err := r.Publish(binary.LittleEndian.AppendUint64(nil, ids[0])); err != nil {
		return err
	}
	return r.Send(r.Context(), link.Frame{ID: f.ID, Kind: link.End})
}

// awaitValue waits until the runner has published something.
func awaitValue(ctx context.Context, t *testing.T, s *link.Server) []byte {
	t.Helper()
	_, _, _, status := s.Channels()
	for seq := uint64(0); ; {
		var err error
		seq, _, err = status.Wait(ctx, seq)
		require.NoError(t, err)
		if st := s.Status(); len(st.Value) > 0 {
			return st.Value
		}
	}
}

// TestCancelOvertakesFullChannels fills both data channels; the runner is blocked in a
// send, or computes.
func TestCancelOvertakesFullChannels(t *testing.T) {
	for _, child := range []string{"flood", "compute"} {
		t.Run(child, func(t *testing.T) {
			ctx, _ := begin(t)
			_, err := link.Run(ctx, link.Options{
				Command: command(child), Requests: full, Tokens: full,
			}, func(ctx context.Context, s *link.Server) error {
				requests, tokens, _, _ := s.Channels()
				require.NoError(t, ask(ctx, s, 1, "all"))
				for child == "flood" && tokens.Stats().Depth < 8 {
					shmtest.Yield()
				}
				ended, cancel := context.WithCancel(ctx)
				cancel()
				for id := uint64(2); requests.Stats().Depth < 8; id++ {
					_ = ask(ctx, s, id, "more")
				}
				require.ErrorIs(t, ask(ended, s, 99, "no room"), context.Canceled)
				require.NoError(t, s.Cancel(ctx, 1))
				assert.EqualValues(t, 1, binary.LittleEndian.Uint64(awaitValue(ctx, t, s)))
				for f, err := range s.Frames(ctx) {
					require.NoError(t, err)
					if f.Kind == link.End {
						break
					}
				}
				return nil
			})
			require.NoError(t, err)
		})
	}
}

// obedient answers each control frame, and each request, in the order of Recv; it waits
// for a word of the parent's before it begins.
func obedient(r *link.Runner) error {
	if _, err := io.ReadFull(os.Stdin, make([]byte, 1)); err != nil {
		return err
	}
	for f, err := range r.Frames(r.Context()) {
		if err != nil {
			return err
		}
		if err := r.Send(r.Context(), link.Frame{ID: f.ID, Kind: f.Kind}); err != nil {
			return err
		}
	}
	return nil
}

func TestControlFramesComeBeforeRequests(t *testing.T) {
	ctx, _ := begin(t)
	stdin, start, err := os.Pipe()
	require.NoError(t, err)
	_, err = link.Run(ctx, link.Options{Command: withStdin(command("obedient"), stdin)},
		func(ctx context.Context, s *link.Server) error {
			require.NoError(t, ask(ctx, s, 1, "first"))
			require.NoError(t, ask(ctx, s, 2, "second"))
			require.NoError(t, s.Control(ctx, link.Frame{ID: 3, Kind: link.User}))
			require.NoError(t, s.Control(ctx, link.Frame{ID: 4, Kind: link.User + 1}))
			require.ErrorIs(t, s.Control(ctx, link.Frame{Kind: link.Request}), link.ErrProtocol)
			_, err := start.Write([]byte{1})
			require.NoError(t, err)
			for _, want := range []uint64{3, 4, 1, 2} {
				f, err := s.Recv(ctx)
				require.NoError(t, err)
				assert.Equal(t, want, f.ID)
				f.Release()
			}
			return nil
		})
	require.NoError(t, err)
	require.NoError(t, errors.Join(stdin.Close(), start.Close()))
}

// TestStoppedRunnerIsToldOfAndNotReplaced stops a runner that has requests.
func TestStoppedRunnerIsToldOfAndNotReplaced(t *testing.T) {
	ctx, _ := begin(t)
	report, err := link.Run(ctx, link.Options{Command: command("echo")},
		func(ctx context.Context, s *link.Server) error {
			require.Empty(t, s.Status().Stuck, "it has nothing to do")
			require.NoError(t, syscall.Kill(s.PID(), syscall.SIGSTOP))
			for !s.Status().Stopped { // the signal takes its time
				shmtest.Yield()
			}
			require.NoError(t, ask(ctx, s, 1, "are you there"))
			st := s.Status()
			assert.True(t, st.Alive)
			assert.Equal(t, s.PID(), st.PID)
			assert.Contains(t, st.Stuck, "is stopped")
			assert.Contains(t, st.Stuck, "1 requests wait")
			assert.Contains(t, st.Who, "pid")
			require.NoError(t, s.Err(), "it lives")
			require.NoError(t, syscall.Kill(s.PID(), syscall.SIGCONT))
			words, err := answer(ctx, s, 1)
			assert.Len(t, words, 3)
			return err
		})
	require.NoError(t, err)
	assert.Equal(t, 1, report.Instances)
}

func init() {
	children["busy"] = runner(func(r *link.Runner) error {
		done := r.Busy("loading a model", time.Hour)
		r.Progress(3, 7)
		f, err := r.Recv(r.Context())
		if err != nil {
			return err
		}
		f.Release()
		done()
		return echo(r)
	})
}

func TestBusyRunnerSaysWhatItDoes(t *testing.T) {
	ctx, _ := begin(t)
	_, err := link.Run(ctx, link.Options{
		Command: command("busy"), OpenOptions: channel.OpenOptions{StallAfter: time.Nanosecond},
	}, func(ctx context.Context, s *link.Server) error {
		_, _, _, status := s.Channels()
		_, _, err := status.Wait(ctx, 1)
		require.NoError(t, err)
		st := s.Status()
		assert.Equal(t, "loading a model", st.Note)
		assert.Equal(t, time.Hour, st.Limit)
		assert.False(t, st.Since.IsZero())
		assert.EqualValues(t, 3, st.Done)
		assert.EqualValues(t, 7, st.Total)
		assert.True(t, st.Alive && st.Joined)
		assert.Empty(t, st.Stuck)
		require.NoError(t, syscall.Kill(s.PID(), syscall.SIGKILL))
		<-s.Done()
		assert.ErrorContains(t, s.Err(), "busy: loading a model")
		return nil
	})
	require.NoError(t, err)
}

func TestStatusValueHasALimit(t *testing.T) {
	assert.Positive(t, link.MaxStatus)
	assert.True(t, strings.HasPrefix(link.Cancel.String(), "cancel"))
	assert.Equal(t, "user+1", (link.User + 1).String())
	assert.Equal(t, "kind(200)", link.Kind(200).String())
}
