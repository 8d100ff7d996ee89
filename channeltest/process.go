package channeltest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall" //nolint:depguard // names of signals, and a process group
	"testing"
	"time"
)

// A Process is a running child process. Its methods are for the test's goroutine, which
// they end by Fatalf; Wait and Hear may be called by others too.
type Process struct {
	t      testing.TB
	name   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *lines
	stderr buffer
	done   chan struct{} // closed when the process has ended and all it said is in out
	err    error         // how it ended; after done

	mu      sync.Mutex
	awaited bool // Wait, Kill or a signal: its end is the test's business
}

// pipePatience bounds how long somebody else who holds a child's pipes can delay its end.
const pipePatience = 5 * time.Second

// Start runs the function in a process of its own, with the test's directory as its
// SHMRING_DIR. The process is killed when the test ends. If it fails before that, and
// nobody waited for it, so does the test.
func (p *Program) Start(t testing.TB, args ...string) *Process {
	t.Helper()
	registry.mu.Lock()
	ready := registry.main
	registry.mu.Unlock()
	if !ready {
		t.Fatalf("channeltest: TestMain has to call channeltest.Main to start processes")
	}
	f := of(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	c := &Process{t: t, name: p.name, out: newLines(), done: make(chan struct{})}
	// The -- keeps the words from a TestMain that parses flags.
	c.cmd = exec.Command(exe, append([]string{"--"}, args...)...)
	c.cmd.Env = append(os.Environ(), envProgram+"="+p.name, envDir+"="+f.dir,
		"GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0") // or each takes a second to end
	c.cmd.Stdout, c.cmd.Stderr = c.out, &c.stderr
	c.cmd.WaitDelay = pipePatience
	// In a group of its own: if the test dies while the process is stopped, the kernel
	// ends it.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.in, err = c.cmd.StdinPipe(); err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		c.out.close()
		close(c.done)
	}()
	f.mu.Lock()
	f.processes = append(f.processes, c)
	f.mu.Unlock()
	return c
}

// PID returns the process id.
func (c *Process) PID() int { return c.cmd.Process.Pid }

// Say tells the process a line.
func (c *Process) Say(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		c.t.Fatalf("%s does not listen: %v%s", c.name, err, c.stderr.text())
	}
}

// Hear waits for a line of the process; false: it has ended and said no more. What a
// killed process said before is heard.
func (c *Process) Hear() (line string, ok bool) { return c.out.next() }

// Expect waits for a line of the process and ends the test if it is another one.
func (c *Process) Expect(want string) {
	c.t.Helper()
	got, ok := c.Hear()
	switch {
	case !ok:
		<-c.done
		c.t.Fatalf("%s said nothing, want %q; it ended: %v%s", c.name, want, c.err, c.stderr.text())
	case got != want:
		c.t.Fatalf("%s said %q, want %q%s", c.name, got, want, c.stderr.text())
	}
}

// Signal sends the process a signal. To one that has ended it does nothing.
func (c *Process) Signal(s os.Signal) {
	c.t.Helper()
	c.expectEnd()
	if err := c.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.t.Fatalf("send %v to %s: %v", s, c.name, err)
	}
}

// Kill ends the process by SIGKILL and returns when the kernel has ended it: its locks are
// free, its memory is gone. It may be called again.
func (c *Process) Kill() {
	c.expectEnd()
	_ = c.cmd.Process.Kill() // it has ended already: as good
	<-c.done
}

// Stop sends SIGSTOP and returns when all threads of the process stand still.
func (c *Process) Stop() {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		c.t.Fatalf("stop %s: %v%s", c.name, err, c.stderr.text())
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !c.stopped() {
		select {
		case <-tick.C:
		case <-c.done:
			c.t.Fatalf("%s ended before it was stopped: %v%s", c.name, c.err, c.stderr.text())
		}
	}
}

// pollEvery is how often something is looked at that nobody tells of.
const pollEvery = time.Millisecond

// stopped reports whether the kernel has stopped every thread.
func (c *Process) stopped() bool {
	stats, err := filepath.Glob("/proc/" + strconv.Itoa(c.PID()) + "/task/*/stat")
	if err != nil || len(stats) == 0 {
		return false
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // a thread that ended
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		if err != nil || !strings.HasPrefix(after, "T") {
			return false
		}
	}
	return true
}

// Cont sends SIGCONT: a stopped process goes on.
func (c *Process) Cont() {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		c.t.Fatalf("continue %s: %v%s", c.name, err, c.stderr.text())
	}
}

// Wait waits for the end of the process. An error says how it ended, if its function did
// not return nil, and what it wrote to stderr.
func (c *Process) Wait() error {
	c.expectEnd()
	<-c.done
	return c.end()
}

// end describes the end of a process that has ended.
func (c *Process) end() error {
	if c.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w%s", c.name, c.err, c.stderr.text())
}

func (c *Process) expectEnd() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaited = true
}

// finish ends the process with its test, and reports a failure that nobody saw.
func (c *Process) finish() {
	c.mu.Lock()
	seen := c.awaited
	c.mu.Unlock()
	c.Kill()
	_ = c.in.Close() // closed with the process
	if err := c.end(); err != nil && !seen && !c.killed() {
		c.t.Errorf("%v", err)
		return
	}
	if text := c.stderr.text(); c.t.Failed() && text != "" {
		c.t.Logf("%s%s", c.name, text)
	}
}

// killed reports whether SIGKILL ended the process.
func (c *Process) killed() bool {
	exit, ok := errors.AsType[*exec.ExitError](c.err)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signal() == syscall.SIGKILL
}

// A buffer keeps what a process writes to stderr.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// text returns it as the rest of an error, empty if there is none.
func (b *buffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.b.Len() == 0 {
		return ""
	}
	return "; stderr: " + strings.TrimSpace(b.b.String())
}
