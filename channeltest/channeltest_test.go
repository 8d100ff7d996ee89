package channeltest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
)

// echo repeats what it hears.
var echo = channeltest.Func("echo", func(ctx context.Context, c *channeltest.Child) error {
	c.Say("%d words: %s", len(c.Args), strings.Join(c.Args, "|"))
	for {
		line, err := c.Hear()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if line == "fail" {
			return errors.New("told to fail")
		}
		if line == "await" {
			<-ctx.Done()
			c.Say("context ended")
			return nil
		}
		c.Say("heard %s", line)
	}
})

// flood sends until it is killed, and says what was accepted.
var flood = channeltest.Func("flood", func(ctx context.Context, c *channeltest.Child) error {
	ch, err := channel.Open(ctx, c.Args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if err := tx.Send(ctx, fmt.Append(nil, i)); err != nil {
			return err
		}
		c.Say("%d", i)
	}
})

// grip opens a channel in the test's directory and goes without closing it.
var grip = channeltest.Func("grip", func(ctx context.Context, _ *channeltest.Child) error {
	_, err := channel.Create(ctx, "left", channel.Options{})
	return err
})

func TestProcessTalksWithItsTest(t *testing.T) {
	t.Parallel()
	p := echo.Start(t, "-a", "two words", "--", "")
	p.Expect("4 words: -a|two words|--|")
	p.Say("one")
	p.Say("two")
	p.Expect("heard one")
	p.Expect("heard two")
	require.NoError(t, syscall.Kill(p.PID(), 0))
	p.Say("await")
	p.Signal(syscall.SIGTERM)
	p.Expect("context ended")
	require.NoError(t, p.Wait())
	require.NoError(t, p.Wait(), "it may be called again")
	_, ok := p.Hear()
	require.False(t, ok)
	p.Kill() // nothing is there
	p.Signal(syscall.SIGTERM)
}

func TestFailureOfAProcessIsAnErrorOfWait(t *testing.T) {
	t.Parallel()
	p := echo.Start(t)
	p.Say("fail")
	err := p.Wait()
	require.ErrorContains(t, err, "echo: exit status 1; stderr: told to fail")
}

func TestKilledSenderLosesNothingAccepted(t *testing.T) {
	t.Parallel()
	ch := channeltest.New(t, channel.Options{Slots: 16})
	rx, err := ch.Receiver(t.Context())
	require.NoError(t, err)
	p := flood.Start(t, ch.Name())
	for i := range 100 {
		b, err := rx.RecvAppend(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), string(b))
	}
	p.Stop()
	p.Kill() // also a stopped one
	said := 0
	for {
		if _, ok := p.Hear(); !ok {
			break
		}
		said++
	}
	got := 100
	for {
		m, err := rx.Recv(t.Context())
		if errors.Is(err, channel.ErrPeerDead) {
			break
		}
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(got), string(m.Bytes()))
		m.Release()
		got++
	}
	require.GreaterOrEqual(t, got, said)
	require.LessOrEqual(t, got, said+1)
}

func TestStoppedProcessStandsStillUntilItMayGoOn(t *testing.T) {
	t.Parallel()
	ch := channeltest.New(t)
	p := flood.Start(t, ch.Name())
	p.Expect("0")
	p.Stop()
	before := ch.Stats()
	for range 20 {
		require.Equal(t, before.Depth, ch.Stats().Depth)
		time.Sleep(time.Millisecond)
	}
	p.Cont()
	rx, err := ch.Receiver(t.Context())
	require.NoError(t, err)
	for range 1000 { // more than the channel holds
		m, err := rx.Recv(t.Context())
		require.NoError(t, err)
		m.Release()
	}
}

func TestChannelsOfParallelTestsDoNotMeet(t *testing.T) {
	t.Parallel()
	var dirs []string
	for range 3 {
		t.Run("", func(t *testing.T) {
			a, b := channeltest.New(t), channeltest.New(t)
			require.Equal(t, []string{"channel-1", "channel-2"}, []string{a.Name(), b.Name()})
			require.Equal(t, channeltest.Dir(t), filepath.Dir(a.Path()))
			require.NotContains(t, dirs, channeltest.Dir(t))
			dirs = append(dirs, channeltest.Dir(t))
			nameless := channeltest.New(t, channel.Options{Nameless: true})
			require.Empty(t, nameless.Name())
			tx, err := a.Sender(t.Context())
			require.NoError(t, err)
			require.NoError(t, tx.Send(t.Context(), []byte("unread is no leak")))
			require.NoError(t, b.Close())
		})
	}
	for _, dir := range dirs {
		require.NoDirExists(t, dir)
	}
}

func TestSetenvMakesTheDirectoryTheDefault(t *testing.T) {
	dir := channeltest.Setenv(t)
	require.Equal(t, dir, os.Getenv("SHMRING_DIR"))
	ch, err := channel.Create(t.Context(), "mine", channel.Options{})
	require.NoError(t, err)
	require.Equal(t, dir, filepath.Dir(ch.Path()))
	require.NoError(t, ch.Close())
}

func TestLeaksAreFound(t *testing.T) {
	for _, tc := range []struct {
		name string
		body func(t testing.TB) (undo func())
		want []string
	}{
		{"nothing", func(t testing.TB) func() {
			t.Helper()
			channeltest.CheckLeaks(t)
			channeltest.New(t)
			return nil
		}, nil},
		{"an open channel", func(t testing.TB) func() {
			t.Helper()
			ch, err := channel.Create(t.Context(), "x", channel.Options{
				OpenOptions: channel.OpenOptions{Dir: channeltest.Dir(t)},
			})
			if err != nil {
				t.Fatalf("%v", err)
			}
			return func() { _ = ch.Close() }
		}, []string{"a file is left", "descriptor", "descriptor", "memory is mapped"}},
		{"a nameless channel", func(t testing.TB) func() {
			t.Helper()
			ch, err := channel.Create(t.Context(), "", channel.Options{
				Nameless:    true,
				OpenOptions: channel.OpenOptions{Dir: channeltest.Dir(t)},
			})
			if err != nil {
				t.Fatalf("%v", err)
			}
			return func() { _ = ch.Close() }
		}, []string{"descriptor", "descriptor", "memory is mapped"}},
		{"a goroutine in a call", func(t testing.TB) func() {
			t.Helper()
			channeltest.CheckLeaks(t)
			ch, err := channel.Create(context.Background(), "elsewhere", channel.Options{
				OpenOptions: channel.OpenOptions{Dir: os.TempDir()},
			})
			if err != nil {
				t.Fatalf("%v", err)
			}
			rx, err := ch.TryReceiver()
			if err != nil {
				t.Fatalf("%v", err)
			}
			over := make(chan struct{})
			go func() {
				go rx.Recv(context.Background()) //nolint:errcheck // it ends with the channel
				<-over
			}()
			for ch.Participants()[0].Waiting == "" {
				runtime.Gosched()
			}
			return func() { close(over); _ = ch.Close() }
		}, []string{"a goroutine is left in a call"}},
		{"a segment of a process", func(t testing.TB) func() {
			t.Helper()
			p := grip.Start(t)
			if err := p.Wait(); err != nil {
				t.Fatalf("%v", err)
			}
			return nil
		}, []string{"a file is left"}},
		{"a failure that nobody waited for", func(t testing.TB) func() {
			t.Helper()
			p := echo.Start(t)
			p.Say("fail")
			for {
				if _, ok := p.Hear(); !ok {
					break
				}
			}
			return nil
		}, []string{"told to fail"}},
		{"another line", func(t testing.TB) func() {
			t.Helper()
			echo.Start(t).Expect("something else")
			return nil
		}, []string{`said "0 words: ", want "something else"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var undo func()
			complaints := run(func(t testing.TB) {
				t.Helper()
				undo = tc.body(t)
			})
			if undo != nil {
				undo()
			}
			require.Len(t, complaints, len(tc.want), "%v", complaints)
			for i, want := range tc.want {
				require.Contains(t, complaints[i], want)
			}
		})
	}
}

func TestNamesOfFunctionsAreUnique(t *testing.T) {
	require.PanicsWithValue(t, `channeltest: two functions are called "echo"`, func() {
		channeltest.Func("echo", nil)
	})
}
