package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"shmring/examples/runner/client"
)

// step stands for the time that a large model takes for one.
const step = 5 * time.Millisecond

// stage is one scenario over one transport: a directory of segments of its own, and the
// server that runs now.
type stage struct {
	*demo
	transport string
	dir       string
	process   *process
}

// process is a running server.
type process struct {
	*client.Client
	cmd     *exec.Cmd
	log     lockedBuffer
	exited  chan struct{}
	err     error // how it exited
	runners []int // their pids, when it was ready
}

// lockedBuffer keeps what a process wrote.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns all of it.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// server starts a server and waits until all of its runners have built their model.
func (s *stage) server(ctx context.Context, args ...string) (*process, error) {
	p, err := s.launch(ctx, args...)
	if err != nil {
		return nil, err
	}
	h, err := p.Await(ctx, client.Ready)
	if err != nil {
		return nil, fmt.Errorf("it did not get ready: %w: %s", err, p.log.String())
	}
	for _, r := range h.Runners {
		p.runners = append(p.runners, r.PID)
	}
	return p, nil
}

// launch starts a server and waits until it listens.
func (s *stage) launch(ctx context.Context, args ...string) (*process, error) {
	if s.dir == "" {
		dir, err := os.MkdirTemp(s.base, s.transport+"-")
		if err != nil {
			return nil, err
		}
		s.dir = dir
	}
	p := &process{exited: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, s.self, append([]string{
		"serve", "-transport", s.transport, "-listen", "127.0.0.1:0", "-corpus", s.corpus,
		"-debug", "-step", step.String(),
	}, args...)...)
	p.cmd.Env = append(os.Environ(), "SHMRING_DIR="+s.dir)
	p.cmd.Stderr = &p.log
	p.cmd.WaitDelay = time.Second // a runner that outlives the server has its standard error
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	s.process = p
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	if err != nil {
		<-p.exited
		return nil, fmt.Errorf("the server did not start: %w: %s", p.err, p.log.String())
	}
	p.Client = client.New(strings.TrimPrefix(strings.TrimSpace(line), "listening on "))
	return p, nil
}

// end stops the server, and says if anything was left behind.
func (s *stage) end() error {
	if s.process == nil {
		return nil
	}
	_ = s.process.cmd.Process.Kill() // it may have exited
	<-s.process.exited
	if s.process.Client != nil {
		s.process.Close()
	}
	err := s.gone(s.process.runners)
	return errors.Join(err, s.clean(), os.Remove(s.dir))
}

// endTime is how long runners may take to end after their server.
const endTime = 10 * time.Second

// gone waits until processes have ended.
func (s *stage) gone(pids []int) error {
	deadline := time.NewTimer(endTime)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		var left []int
		for _, pid := range pids {
			if alive(pid) {
				left = append(left, pid)
			}
		}
		if len(left) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return fmt.Errorf("runners still live %v after their server: %v", endTime, left)
		}
	}
}

// alive reports whether a process runs; one that was not collected yet does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(b, []byte(") "))
	return len(rest) > 0 && rest[0] != 'Z' && rest[0] != 'X'
}

// clean reports what is left in the directory of segments.
func (s *stage) clean() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil || len(entries) == 0 {
		return err
	}
	return fmt.Errorf("left in shared memory: %v", entries)
}

// cpu returns the processor time that the server and its runners have used.
func (p *process) cpu() time.Duration {
	var sum time.Duration
	for _, pid := range append([]int{p.cmd.Process.Pid}, p.runners...) {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // good pattern
		for _, f := range files {
			b, _ := os.ReadFile(f) // a thread may have ended
			if field, _, ok := strings.Cut(string(b), " "); ok {
				ns, _ := strconv.ParseInt(field, 10, 64) // the kernel's
				sum += time.Duration(ns)
			}
		}
	}
	return sum
}
