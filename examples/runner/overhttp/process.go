package overhttp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"shmring/examples/runner/engine"
	"shmring/examples/runner/server"
)

// Waits between the starts of a runner that ends.
const (
	firstWait   = 100 * time.Millisecond
	mostWait    = 10 * time.Second
	stableAfter = 10 * time.Second
)

// runner is the server's view of one runner, over the lives of its processes.
type runner struct {
	name string

	mu       sync.Mutex
	base     string // of its addresses; empty: it is not up
	stdin    io.Closer
	ending   bool // its end was asked for
	pending  int  // requests under way
	progress time.Time
	health   server.Runner
	life     context.Context // of the process
}

// supervise keeps one runner running until ctx ends or its end was asked for.
func (t *Transport) supervise(ctx context.Context, r *runner) {
	wait := firstWait
	for ctx.Err() == nil {
		began := time.Now()
		err := t.live(ctx, r)
		r.mu.Lock()
		ending := r.ending
		r.mu.Unlock()
		if ending || ctx.Err() != nil {
			return
		}
		if time.Since(began) > stableAfter {
			wait = firstWait
		}
		t.log.Warn("a runner ended", "runner", r.name, "error", err, "next in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, mostWait)
		r.mu.Lock()
		r.health.Restarts++
		r.mu.Unlock()
	}
}

// live is the life of one process. The end of its standard input asks it to end, the end of
// ctx kills it.
func (t *Transport) live(ctx context.Context, r *runner) error {
	cmd := t.command(ctx)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	life, over := context.WithCancelCause(ctx)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		r.up(life, cmd, stdin, "http://"+strings.TrimSpace(line))
		t.log.Info("a runner is up", "runner", r.name, "pid", cmd.Process.Pid)
		_, _ = io.Copy(io.Discard, stdout) // until its end
	}
	err = cmd.Wait()
	r.down()
	err = fmt.Errorf("%w: %s, pid %d: %w", server.ErrRunnerDied, r.name, cmd.Process.Pid, err)
	over(err)
	return err
}

func (r *runner) up(life context.Context, cmd *exec.Cmd, stdin io.Closer, base string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.life, r.base, r.stdin = life, base, stdin
	r.health.PID, r.health.Started = cmd.Process.Pid, time.Now()
	r.health.Status = engine.Status{}
	if r.ending {
		_ = stdin.Close() // it is a pipe
	}
}

func (r *runner) down() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.base, r.health.PID = "", 0
}

// end asks the process to finish and end.
func (r *runner) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ending = true
	if r.stdin != nil {
		_ = r.stdin.Close() // it is a pipe
	}
}

// take counts a request in. It returns false if the runner is not up.
func (r *runner) take() (base string, life context.Context, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.base == "" {
		return "", nil, false
	}
	r.pending++
	return r.base, r.life, true
}

func (r *runner) give() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending--
}

// load is how much it has to do; a runner that is not up has more than any other.
func (r *runner) load() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.base == "" {
		return 1 << 30
	}
	return r.pending
}

func (r *runner) progressed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress = time.Now()
}
