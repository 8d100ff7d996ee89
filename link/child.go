package link

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"time"
)

// EnvLink is the variable by which Join finds the segments. Its value is a URL query:
// fd=3&instance=… for inherited files, which are requests, tokens, control and status in this
// order; name=…&dir=… for segments with names.
const EnvLink = "SHMRING_LINK"

// waitDelay bounds how long the pipes of a dead runner, which its own children may have
// kept open, delay the news of its death.
const waitDelay = time.Second

// startChild starts the runner, and a goroutine that waits for its end.
func (s *Server) startChild(ctx context.Context) error {
	cmd := s.opts.Command(ctx)
	where := url.Values{}
	if s.opts.Name == "" {
		files, err := s.set.files()
		if err != nil {
			return err
		}
		defer closeFiles(files)
		const stdFiles = 3 // stdin, stdout, stderr
		where.Set("fd", strconv.Itoa(stdFiles+len(cmd.ExtraFiles)))
		where.Set("instance", hex.EncodeToString(s.id[:]))
		cmd.ExtraFiles = append(cmd.ExtraFiles, files...)
	} else {
		where.Set("name", s.opts.Name)
		where.Set("dir", s.opts.Dir)
	}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, EnvLink+"="+where.Encode())
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = waitDelay
	}
	isolate(cmd, s.opts.KillWithServer)
	started := make(chan error)
	go func() {
		if s.opts.KillWithServer {
			// The signal comes when the thread that started the runner ends: it must
			// last as long as the runner.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		err := cmd.Start()
		if err != nil {
			started <- fmt.Errorf("start the runner %s: %w", cmd, err)
			return
		}
		s.mu.Lock()
		s.cmd, s.pid = cmd, cmd.Process.Pid
		s.mu.Unlock()
		started <- nil
		s.ended(cmd.Wait(), true)
	}()
	return <-started
}

// kill ends the runner, if it is a child that still runs.
func (s *Server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		_ = s.cmd.Process.Kill() // ended already is as good
	}
}
