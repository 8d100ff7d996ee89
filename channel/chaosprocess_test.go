//go:build linux

package channel_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"

	"shmring/internal/history"
	"shmring/internal/shmtest"
)

// A chaosProcess is one life of one process. Signals and its end may meet: the handle of
// the process never means another one.
type chaosProcess struct {
	spec   chaosSpec
	cmd    *exec.Cmd
	in     io.Closer
	log    *history.Log
	stderr syncBuffer
	done   chan struct{} // closed when it has ended
	err    error         // how, after done
	killed atomic.Bool   // by us
}

// syncBuffer collects what a process writes while somebody may read it.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// chaosLogSize is for how many operations a log has room; only what is used takes memory.
const chaosLogSize = 1 << 20

func startChaosProcess(spec chaosSpec) (*chaosProcess, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	log, file, err := history.New(chaosLogSize)
	if err != nil {
		return nil, err
	}
	p := &chaosProcess{spec: spec, log: log, done: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], string(text))
	p.cmd.Env = append(os.Environ(), shmtest.EnvChild+"=chaos", "GOMAXPROCS=2",
		"GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0")
	p.cmd.Stderr = &p.stderr
	p.cmd.ExtraFiles = []*os.File{file}
	in, err := p.cmd.StdinPipe()
	if err == nil {
		p.in = in
		err = p.cmd.Start()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// signal sends a signal, to nobody if the process has ended.
func (p *chaosProcess) signal(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s) // os.ErrProcessDone is as good
}

func (p *chaosProcess) kill() {
	p.killed.Store(true)
	p.signal(syscall.SIGKILL)
	<-p.done
}

func (p *chaosProcess) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// failure says how the process failed: not at all if it ended well or we killed it.
func (p *chaosProcess) failure() error {
	<-p.done
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && p.killed.Load() {
		if st, ok := exit.Sys().(syscall.WaitStatus); ok && st.Signal() == syscall.SIGKILL {
			return nil
		}
	}
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("%s of lane %d, pid %d: %w: %s",
		p.spec.Role, p.spec.Lane, p.cmd.Process.Pid, p.err, p.stderr.String())
}

// accepted counts the messages of a sender that were.
func (p *chaosProcess) accepted() int {
	n := 0
	for _, op := range p.log.Ops() {
		if op.Kind == history.Send {
			n += op.Done
		}
	}
	return n
}
