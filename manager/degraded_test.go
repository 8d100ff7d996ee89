//go:build linux

package manager_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/manager"
)

// lacks are what a kernel or a sandbox may not have.
var lacks = map[string]refusal{
	"nothing":            {},
	"futex_waitv ENOSYS": {call: sysFutexWaitv, errno: unix.ENOSYS},
	"futex_waitv EPERM":  {call: sysFutexWaitv, errno: unix.EPERM},
	"inotify ENOSYS":     {call: unix.SYS_INOTIFY_INIT1, errno: unix.ENOSYS},
	"inotify EMFILE":     {call: unix.SYS_INOTIFY_INIT1, errno: unix.EMFILE},
	"O_TMPFILE":          {call: unix.SYS_OPENAT, arg: 2, bits: tmpfileBit, errno: unix.EOPNOTSUPP},
	"OFD locks": {
		call: unix.SYS_FCNTL, arg: 1, value: unix.F_OFD_SETLK, errno: unix.EINVAL,
	},
}

// poorProcess takes everything that it is sent in "q" and returns it in "r", takes a lock
// when its holder has died, looks at its health, and ends both channels.
var poorProcess = channeltest.Func("poor",
	func(ctx context.Context, c *channeltest.Child) error {
		if lack := lacks[c.Args[0]]; lack.errno != 0 {
			if err := lack.install(); err != nil {
				return err
			}
		}
		return with(manager.Options{Retry: patient}, func(m *manager.Manager) error {
			return poor(ctx, c, m)
		})
	})

func poor(ctx context.Context, c *channeltest.Child, m *manager.Manager) error {
	if err := link(ctx, m, "q", "r"); err != nil {
		c.Say("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		return nil
	}
	c.Say("ready")
	ended := make(chan error, 1)
	go func() { ended <- stage(ctx, m, "q", "r") }()
	l, err := m.Lock(ctx, "x")
	if err == nil {
		c.Say("locked")
		err = l.Unlock()
	}
	if err != nil {
		return err
	}
	if _, err := c.Hear(); err != nil {
		return err
	}
	all, err := m.HealthAll(ctx)
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.Status == manager.Unhealthy { // full it may be
			return fmt.Errorf("%s is %v: %v", h.Name, h.Status, h.Reasons)
		}
	}
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{})
	c.Say("%v", order(report))
	return errors.Join(err, <-ended)
}

// A talk is a conversation with a child by lines.
type talk interface {
	Hear() (string, bool)
	Say(format string, args ...any)
}

// serve is the other side of poorProcess, which lacks nothing.
func serve(t *testing.T, m *manager.Manager, start func() talk) {
	t.Helper()
	ctx := t.Context()
	holder := holdLock.Start(t, "x")
	holder.Expect("locked")
	p := start()
	expect := func(want string) {
		t.Helper()
		got, ok := p.Hear()
		require.True(t, ok, "it ended instead of %q", want)
		require.Equal(t, want, got)
	}
	expect("ready")
	require.NoError(t, declare(m, "q", "r"))
	const messages = 100 // more than there is room for: both sides wait
	got := uint64(0)
	received := make(chan error, 1)
	half := make(chan struct{})
	go func() {
		received <- drainTo(ctx, m, "r", func(msg channel.Message) error {
			if got++; numberOf(msg) != got {
				return fmt.Errorf("message %d is %d", got, numberOf(msg))
			}
			if got == messages/2 {
				close(half)
			}
			return nil
		})
	}()
	require.NoError(t, sendNumbers(ctx, m, "q", 1, messages/2))
	<-half // now everybody sleeps
	holder.Kill()
	expect("locked")
	require.NoError(t, sendNumbers(ctx, m, "q", messages/2+1, messages))
	p.Say("end")
	expect("[q r]")
	require.NoError(t, <-received)
	assert.Equal(t, uint64(messages), got)
}

func TestManagerWorksWhereTheKernelLacksSomething(t *testing.T) {
	for _, lack := range []string{
		"nothing", "futex_waitv ENOSYS", "futex_waitv EPERM", "inotify ENOSYS", "inotify EMFILE",
	} {
		t.Run(lack, func(t *testing.T) {
			dir := channeltest.Setenv(t)
			m := newManager(t, manager.Options{Dir: dir, Retry: patient})
			var p *channeltest.Process
			serve(t, m, func() talk { p = poorProcess.Start(t, lack); return p })
			require.NoError(t, p.Wait())
			empty(t, dir)
		})
	}
}

func TestManagerSaysWhatItCannotDoWithout(t *testing.T) {
	for lack, want := range map[string]string{
		"O_TMPFILE": "no unnamed files: use a directory on a tmpfs",
		"OFD locks": "no open-file-description locks, which shmring needs to know who lives",
	} {
		t.Run(lack, func(t *testing.T) {
			dir := channeltest.Setenv(t)
			p := poorProcess.Start(t, lack)
			line, ok := p.Hear()
			require.True(t, ok)
			assert.Contains(t, line, want)
			require.NoError(t, p.Wait())
			empty(t, dir)
		})
	}
}

// A stranger is a child in namespaces of its own.
type stranger struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func (s *stranger) Hear() (string, bool) {
	ok := s.out.Scan()
	return s.out.Text(), ok
}

func (s *stranger) Say(format string, args ...any) {
	_, err := fmt.Fprintf(s.in, format+"\n", args...)
	require.NoError(s.t, err)
}

// startStranger runs a function that channeltest knows by its name, in namespaces of its own.
func startStranger(
	t *testing.T, attr *syscall.SysProcAttr, name string, args ...string,
) *stranger {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe, append([]string{"--"}, args...)...)
	cmd.Env = append(os.Environ(), "SHMRING_CHANNELTEST_PROGRAM="+name,
		"GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = attr
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	if err := cmd.Start(); errors.Is(err, unix.EPERM) {
		t.Skipf("no namespaces here: %v", err)
	} else {
		require.NoError(t, err)
	}
	return &stranger{t, cmd, in, bufio.NewScanner(out)}
}

func TestManagerWorksAcrossPidNamespaces(t *testing.T) {
	dir := channeltest.Setenv(t)
	m := newManager(t, manager.Options{Dir: dir, Retry: patient})
	var s *stranger
	serve(t, m, func() talk {
		attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
		s = startStranger(t, attr, "poor", "nothing")
		return s
	})
	require.NoError(t, s.cmd.Wait())
	empty(t, dir)
}

func TestManagerThatMayOnlyLookLooksAndRefusesTheRest(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	owner := newManager(t, manager.Options{Dir: dir})
	require.NoError(t, link(ctx, owner, "q", "r"))
	require.NoError(t, sendNumbers(ctx, owner, "q", 1, 3))
	looker := newManager(t, manager.Options{Dir: dir})
	spec := manager.Spec{}
	spec.ReadOnly = true
	require.NoError(t, looker.Declare("q", spec))
	c, err := looker.Channel("q")
	require.NoError(t, err)
	_, err = c.Raw(ctx)
	require.NoError(t, err)
	h, err := looker.Health(ctx, "q")
	require.NoError(t, err)
	assert.Equal(t, uint64(3), h.Depth)
	g, err := looker.Graph(ctx)
	require.NoError(t, err)
	assert.Equal(t, manager.Graph{"q": {"r"}, "r": nil}, g)
	const only = "attached read-only, to observe"
	require.ErrorContains(t, c.Send(ctx, nil), only)
	_, err = c.Recv(ctx)
	require.ErrorContains(t, err, only)
	_, err = looker.Recover(ctx, "q")
	require.ErrorContains(t, err, only)
	_, err = looker.CloseChannel(ctx, "q", "")
	require.ErrorIs(t, err, channel.ErrState)
	report, err := looker.Shutdown(ctx, manager.ShutdownOptions{AtDeadline: channel.Force})
	require.NoError(t, err)
	assert.Empty(t, report.Ends)
	l, err := looker.Lock(ctx, "x")
	require.NoError(t, err, "a lock has a segment of its own")
	require.NoError(t, l.Unlock())
	h, err = owner.Health(ctx, "q")
	require.NoError(t, err)
	assert.Equal(t, uint64(3), h.Depth, "nothing was begun")
	ended := make(chan error, 2)
	go func() { ended <- stage(ctx, owner, "q", "r") }()
	go func() {
		ended <- drainTo(ctx, owner, "r", func(channel.Message) error { return nil })
	}()
	_, err = owner.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err)
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
}
