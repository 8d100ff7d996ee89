//go:build linux

package link_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/link"
)

// TestRunnersKilledWhileTheyAttachKeepNobodyOut kills runners of a name at any moment of
// their start: the one that is left alone is served.
func TestRunnersKilledWhileTheyAttachKeepNobodyOut(t *testing.T) {
	ctx, dir := begin(t)
	random, _ := shmtest.Rand(t)
	last := make(chan struct{})
	sup, err := link.Start(ctx, link.Options{Name: "llm", Restart: atOnce},
		func(ctx context.Context, s *link.Server) error {
			select {
			case <-s.Done():
				return s.Err()
			case <-last:
			}
			if err := ask(ctx, s, 1, "to be"); err != nil {
				return err
			}
			words, err := answer(ctx, s, 1)
			if err == nil {
				assert.Equal(t, []string{"to", "be"}, words)
			}
			return err
		})
	require.NoError(t, err)
	for range 25 {
		child := shmtest.Start(t, "attach-and-echo", "llm")
		moment := time.NewTimer(time.Duration(random.IntN(30)) * time.Millisecond)
		<-moment.C
		child.Kill()
	}
	child := shmtest.Start(t, "attach-and-echo", "llm")
	close(last)
	_, err = sup.Wait()
	require.NoError(t, err)
	require.NoError(t, child.Wait())
	empty(t, dir)
}

func init() { children["half-joined"] = childHalfJoined }

// childHalfJoined takes the roles of a runner and is killed before it releases the hello.
func childHalfJoined(c *shmtest.Conn, _ []string) error {
	ctx := context.Background()
	o := channel.OpenOptions{Wait: true}
	control, err := channel.Open(ctx, "llm.control", o)
	if err != nil {
		return err
	}
	rx, err := control.Receiver(ctx)
	if err != nil {
		return err
	}
	if _, err := rx.Recv(ctx); err != nil {
		return err
	}
	tokens, err := channel.Open(ctx, "llm.tokens", o)
	if err != nil {
		return err
	}
	if _, err := tokens.Sender(ctx); err != nil {
		return err
	}
	c.Say("joined")
	c.Hear()
	return nil
}

// TestRunnerKilledWhenItHadJustJoinedHasNoHeirs lets the next runner come before the server
// has ended the instance.
func TestRunnerKilledWhenItHadJustJoinedHasNoHeirs(t *testing.T) {
	ctx, dir := begin(t)
	half := shmtest.Start(t, "half-joined", "llm")
	var child *shmtest.Child
	instances := make(map[link.ID]bool)
	_, err := link.Run(ctx, link.Options{Name: "llm", Restart: atOnce},
		func(ctx context.Context, s *link.Server) error {
			if instances[s.Instance()] = true; len(instances) > 1 {
				require.NoError(t, ask(ctx, s, 1, "to be"))
				_, err := answer(ctx, s, 1)
				return err
			}
			half.Expect("joined")
			half.Kill()
			child = shmtest.Start(t, "attach-and-echo", "llm")
			_, _, control, _ := s.Channels()
			for there := false; !there; { // it waits for the end of this instance
				for _, p := range control.Participants() {
					there = there || int(p.PID) == child.PID()
				}
				shmtest.Yield()
			}
			_, err := s.Recv(ctx)
			require.ErrorIs(t, err, link.ErrRunnerEnded)
			return err
		})
	require.NoError(t, err)
	assert.Len(t, instances, 2)
	child.Expect("attached")
	require.NoError(t, child.Wait())
	empty(t, dir)
}
