// Package shmtest helps tests that need several processes, a directory of segments of
// their own, and the certainty that nothing is left behind.
package shmtest

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// EnvChild names the variable that makes a test binary run a child function.
const EnvChild = "SHMRING_TEST_CHILD"

// EnvDir is the variable that moves segments; package shm reads it.
const EnvDir = "SHMRING_DIR"

// EnvBase moves the directories that Dir makes, for whoever runs tests that may be killed
// and cleans up after them.
const EnvBase = "SHMRING_TEST_DIR"

// A ChildFunc is the body of a child process. Its arguments are those given to Start.
type ChildFunc func(c *Conn, args []string) error

// Main runs the tests, or, in a child process, the child function of that name. Call
// it from TestMain.
func Main(m *testing.M, children map[string]ChildFunc) {
	name := os.Getenv(EnvChild)
	if name == "" {
		os.Exit(m.Run())
	}
	f := children[name]
	if f == nil {
		fmt.Fprintf(os.Stderr, "no child function %q\n", name)
		os.Exit(2)
	}
	// Whoever started us holds the other end of stdin: with him we go too.
	conn := &Conn{in: bufio.NewReader(os.Stdin)}
	if err := f(conn, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A Conn is the child's line to its parent.
type Conn struct {
	in *bufio.Reader
	mu sync.Mutex
}

// Say tells the parent a line.
func (c *Conn) Say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Printf(format+"\n", args...)
}

// Hear waits for a line of the parent. The child ends if the parent has gone.
func (c *Conn) Hear() string {
	line, err := c.in.ReadString('\n')
	if err != nil {
		os.Exit(3)
	}
	return strings.TrimSpace(line)
}

// Dir makes a directory of segments for one test on the file system of /dev/shm and
// points SHMRING_DIR to it. When the test ends it must be empty.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(cmp.Or(os.Getenv(EnvBase), "/dev/shm"), "shmring-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(EnvDir, dir)
	t.Cleanup(func() {
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Error(err)
		}
		for _, e := range left {
			t.Errorf("left behind in the segment directory: %s", e.Name())
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A Child is a running child process.
type Child struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	waited bool
	err    error
	stderr text
}

// text collects what a child writes while somebody may read it.
type text struct {
	mu  sync.Mutex
	buf strings.Builder
}

// Write implements io.Writer.
func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.Write(p)
}

// String returns what was written so far.
func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.String()
}

// Start runs a child function in a process of its own. It is killed when the test ends.
func Start(t testing.TB, name string, args ...string) *Child {
	t.Helper()
	return StartFiles(t, name, nil, args...)
}

// StartFiles is Start with open files passed on, from descriptor 3.
func StartFiles(t testing.TB, name string, files []*os.File, args ...string) *Child {
	t.Helper()
	return start(t, nil, name, files, args)
}

// StartAs is Start as somebody else or in other namespaces, as attr says. It skips the test
// where the kernel refuses that.
func StartAs(t testing.TB, attr *syscall.SysProcAttr, name string, args ...string) *Child {
	t.Helper()
	return start(t, attr, name, nil, args)
}

func start(
	t testing.TB, attr *syscall.SysProcAttr, name string, files []*os.File, args []string,
) *Child {
	t.Helper()
	c := &Child{t: t, cmd: exec.Command(os.Args[0], args...)}
	c.cmd.SysProcAttr = endWithParent(attr)
	c.cmd.Env = append(os.Environ(), EnvChild+"="+name,
		"GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0") // or each takes a second to end
	c.cmd.Stderr = &c.stderr
	c.cmd.ExtraFiles = files
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.in, c.out = in, bufio.NewReader(out)
	err = c.cmd.Start()
	switch {
	case err != nil && attr != nil: // no right to, no such namespaces, none left
		t.Skipf("start a child in another guise: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	return c
}

// PID returns the child's process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Say sends the child a line.
func (c *Child) Say(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		c.Kill() // now all of stderr is here
		c.t.Fatalf("child does not listen: %v; end: %v", err, c.Wait())
	}
}

// Hear waits for a line of the child; false when it has none any more.
func (c *Child) Hear() (string, bool) {
	line, err := c.out.ReadString('\n')
	return strings.TrimSpace(line), err == nil
}

// Expect waits for a line and fails the test if it is another one.
func (c *Child) Expect(want string) {
	c.t.Helper()
	got, ok := c.Hear()
	if !ok || got != want {
		c.Kill() // it may wait for us
		c.t.Fatalf("child said %q (%v), want %q; end: %v", got, ok, want, c.Wait())
	}
}

// Signal sends the child a signal.
func (c *Child) Signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// Kill ends the child by SIGKILL and collects it. It may be called again.
func (c *Child) Kill() {
	if !c.waited {
		_ = c.cmd.Process.Kill() // gone already is as good
		_ = c.Wait()             // it was killed
	}
}

// String tells what the child wrote to stderr.
func (c *Child) String() string { return c.stderr.String() }

// Wait waits for the end of the child. An error says how it ended and what it wrote.
func (c *Child) Wait() error {
	if c.waited {
		return c.err
	}
	c.waited = true
	_, _ = io.Copy(io.Discard, c.out) // the pipe must be empty before Wait closes it
	if err := c.cmd.Wait(); err != nil {
		c.err = fmt.Errorf("child: %w: %s", err, c.stderr.String())
	}
	return c.err
}

// Watchdog ends the whole test process if the test is not over in time: a test that
// hangs must not look like one that is slow. A test of many rounds resets the timer that it
// returns for each.
func Watchdog(t testing.TB, limit time.Duration) *time.Timer {
	t.Helper()
	timer := time.AfterFunc(limit, func() {
		panic(fmt.Sprintf("%s hangs: not over after %v", t.Name(), limit))
	})
	t.Cleanup(func() { timer.Stop() })
	return timer
}
