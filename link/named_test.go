//go:build linux

package link_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/link"
)

func init() {
	children["attach-and-echo"] = attachAndEcho
	children["attach-again"] = attachAgain
	children["serve-until-killed"] = serveUntilKilled
}

// attachAndEcho is a runner of another container: it knows a name.
func attachAndEcho(c *shmtest.Conn, args []string) error {
	r, err := link.Attach(context.Background(), args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	c.Say("attached")
	return errors.Join(echo(r), r.Close())
}

// attachAgain attaches as often as an instance ends, and says each instance and its end.
func attachAgain(c *shmtest.Conn, args []string) error {
	for {
		r, err := link.Attach(context.Background(), args[0], channel.OpenOptions{})
		if err != nil {
			return err
		}
		c.Say("%s", r.Instance())
		err = echo(r)
		if err == nil {
			return r.Close()
		}
		serr := r.Send(context.Background(), link.Frame{ID: 1, Kind: link.Token})
		c.Say("%v %v", errors.Is(err, link.ErrServerEnded), errors.Is(serr, link.ErrServerEnded))
		_ = r.Close() // its segments have ended
	}
}

// serveUntilKilled is a server with a name. It says its instance, sends requests until
// the channel is full, and then waits.
func serveUntilKilled(c *shmtest.Conn, args []string) error {
	_, err := link.Run(context.Background(), link.Options{Name: args[0], Requests: full},
		func(ctx context.Context, s *link.Server) error {
			c.Say("%s", s.Instance())
			for c.Hear() == "ask" {
				if err := ask(ctx, s, 666, "a request of the former run"); err != nil {
					return err
				}
				c.Say("asked")
			}
			return nil
		})
	return err
}

func TestRunnerOfAnotherContainerFindsTheLinkByName(t *testing.T) {
	ctx, dir := begin(t)
	child := shmtest.Start(t, "attach-and-echo", "llm") // before there is a server
	report, err := link.Run(ctx, link.Options{Name: "llm"},
		func(ctx context.Context, s *link.Server) error {
			assert.Equal(t, child.PID(), s.PID())
			for _, part := range []string{"requests", "tokens", "control", "status"} {
				assert.FileExists(t, filepath.Join(dir, "shmring.llm."+part))
			}
			require.NoError(t, ask(ctx, s, 1, "to be"))
			words, err := answer(ctx, s, 1)
			assert.Equal(t, []string{"to", "be"}, words)
			return err
		})
	require.NoError(t, err)
	assert.NoError(t, report.Last.Err)
	child.Expect("attached")
	require.NoError(t, child.Wait())
	empty(t, dir)
}

func TestKilledRunnerOfANameEndsItsInstance(t *testing.T) {
	ctx, _ := begin(t)
	child := shmtest.Start(t, "attach-and-echo", "llm")
	instances := make(map[link.ID]bool)
	_, err := link.Run(ctx, link.Options{Name: "llm", Restart: atOnce},
		func(ctx context.Context, s *link.Server) error {
			instances[s.Instance()] = true
			if len(instances) == 3 {
				return nil
			}
			child.Kill()
			_, err := s.Recv(ctx)
			require.ErrorIs(t, err, link.ErrRunnerEnded)
			require.ErrorIs(t, err, channel.ErrPeerDead)
			require.ErrorContains(t, err, fmt.Sprintf("pid %d", child.PID()))
			child = shmtest.Start(t, "attach-and-echo", "llm")
			return err
		})
	require.NoError(t, err)
	assert.Len(t, instances, 3)
	require.NoError(t, child.Wait())
}

// TestStoppedRunnerOfAFormerServerCannotTalkToTheNext kills a server while its runner is
// stopped with requests unread, and lets the runner go on when another server has the name.
func TestStoppedRunnerOfAFormerServerCannotTalkToTheNext(t *testing.T) {
	ctx, dir := begin(t)
	former := shmtest.Start(t, "serve-until-killed", "llm")
	child := shmtest.Start(t, "attach-again", "llm")
	first, ok := former.Hear()
	require.True(t, ok)
	child.Expect(first)
	child.Signal(syscall.SIGSTOP)
	for !child.Stopped() {
		shmtest.Yield()
	}
	former.Say("ask")
	former.Expect("asked")
	former.Kill()
	next := make(chan *link.Server, 1)
	sup, err := link.Start(ctx, link.Options{Name: "llm"},
		func(ctx context.Context, s *link.Server) error {
			next <- s
			require.NoError(t, ask(ctx, s, 1, "to be"))
			words, err := answer(ctx, s, 1)
			assert.Equal(t, []string{"to", "be"}, words)
			return err
		})
	require.NoError(t, err)
	child.Signal(syscall.SIGCONT)
	child.Expect("true true")
	second, ok := child.Hear()
	require.True(t, ok)
	s := <-next
	assert.Equal(t, s.Instance().String(), second)
	assert.NotEqual(t, first, second)
	_, err = sup.Wait()
	require.NoError(t, err)
	require.NoError(t, child.Wait())
	empty(t, dir)
}

// TestLeftoversOfAFormerRunAreReplaced kills both sides of a former run.
func TestLeftoversOfAFormerRunAreReplaced(t *testing.T) {
	ctx, dir := begin(t)
	former := shmtest.Start(t, "serve-until-killed", "llm")
	child := shmtest.Start(t, "attach-again", "llm")
	first, ok := former.Hear()
	require.True(t, ok)
	child.Expect(first)
	child.Kill()
	former.Kill()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.NotEmpty(t, entries, "killing both leaves names")
	child = shmtest.Start(t, "attach-and-echo", "llm")
	_, err = link.Run(ctx, link.Options{Name: "llm", Requests: full},
		func(ctx context.Context, s *link.Server) error {
			assert.NotEqual(t, first, s.Instance().String())
			require.NoError(t, ask(ctx, s, 1, "to be"))
			words, err := answer(ctx, s, 1)
			assert.Equal(t, []string{"to", "be"}, words)
			return err
		})
	require.NoError(t, err)
	require.NoError(t, child.Wait())
	empty(t, dir)
}

func TestOneServerHasAName(t *testing.T) {
	ctx, _ := begin(t)
	serve := func(ctx context.Context, s *link.Server) error { return nil }
	first, err := link.Start(ctx, link.Options{Name: "llm"}, serve)
	require.NoError(t, err)
	_, err = link.Start(ctx, link.Options{Name: "llm"}, serve)
	require.ErrorIs(t, err, channel.ErrBusy)
	require.ErrorContains(t, err, fmt.Sprint(os.Getpid()))
	first.Stop("enough") // nobody came
	report, err := first.Wait()
	require.NoError(t, err)
	assert.NoError(t, report.Last.Err)
}

// TestChildFindsALinkWithANameToo starts the runner of a link with a name.
func TestChildFindsALinkWithANameToo(t *testing.T) {
	ctx, dir := begin(t)
	_, err := link.Run(ctx, link.Options{
		Name: "llm", Command: command("echo"), OpenOptions: channel.OpenOptions{Dir: dir},
	}, func(ctx context.Context, s *link.Server) error {
		require.NoError(t, ask(ctx, s, 1, "to be"))
		_, err := answer(ctx, s, 1)
		return err
	})
	require.NoError(t, err)
	empty(t, dir)
}

// TestSegmentsOfTwoInstancesAreNotMixed gives the tokens of a link another file.
func TestSegmentsOfTwoInstancesAreNotMixed(t *testing.T) {
	ctx, dir := begin(t)
	sup, err := link.Start(ctx, link.Options{Name: "llm"},
		func(ctx context.Context, s *link.Server) error { return nil })
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "shmring.llm.tokens")))
	other, err := channel.Create(ctx, "llm.tokens", channel.Options{Kind: channel.SPSC})
	require.NoError(t, err)
	tries, cancel := context.WithCancel(ctx)
	attached := make(chan error)
	go func() {
		_, err := link.Attach(tries, "llm", channel.OpenOptions{})
		attached <- err
	}()
	cancel()
	require.Error(t, <-attached)
	sup.Stop("enough")
	_, err = sup.Wait()
	require.NoError(t, err)
	require.NoError(t, other.Close())
}

func TestFrameHeaderIsAsDocumented(t *testing.T) {
	ctx, _ := begin(t)
	child := shmtest.Start(t, "attach-and-echo", "llm")
	_, err := link.Run(ctx, link.Options{Name: "llm"},
		func(ctx context.Context, s *link.Server) error {
			require.NoError(t, s.Send(ctx, link.Frame{
				ID: 0x0102030405060708, Kind: link.User + 2, Aux: 0x0a0b0c0d,
				Payload: []byte("one"),
			}))
			f, err := s.Recv(ctx)
			require.NoError(t, err)
			defer f.Release()
			assert.Equal(t, uint64(0x0102030405060708), f.ID)
			assert.Equal(t, uint32(0x0a0b0c0d), f.Aux)
			assert.False(t, f.Redelivered())
			return nil
		})
	require.NoError(t, err)
	require.NoError(t, child.Wait())
}
