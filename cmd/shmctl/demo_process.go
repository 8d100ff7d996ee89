package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// A demoSender is a sender process of the demo.
type demoSender struct {
	number int
	count  int // files it has to send
	files  int // files received from it
	tries  int // looks for a good moment to kill it
	cmd    *exec.Cmd
	doomed atomic.Bool // we have killed it, or tried to
	killed bool        // it died of that; known after wait
}

// startDemoSender runs this program once more, as a sender of the listed files.
func startDemoSender(a *app, number int, name, root string, list []string) (*demoSender, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to run it as a sender: %w", err)
	}
	args := []string{demoSenderName, name, strconv.Itoa(number), root}
	if a.dir != "" {
		args = append(args, "--dir", a.dir)
	}
	cmd := exec.Command(self, args...)
	cmd.Stdin = strings.NewReader(strings.Join(list, "\x00"))
	cmd.Stderr = a.stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start sender %d: %w", number, err)
	}
	return &demoSender{number: number, count: len(list), cmd: cmd}, nil
}

func (s *demoSender) pid() int { return s.cmd.Process.Pid }

// kill ends the process by SIGKILL.
func (s *demoSender) kill() {
	s.doomed.Store(true)
	_ = s.cmd.Process.Kill() // it may have ended by itself just now
}

// wait collects the process. Being killed by us is no failure, and the list that it did
// not read any more none either.
func (s *demoSender) wait() error {
	err := s.cmd.Wait()
	s.killed = s.doomed.Load() && killedBy(err)
	if err == nil || s.killed || s.doomed.Load() && errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return fmt.Errorf("sender %d: %w", s.number, err)
}

func killedBy(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
