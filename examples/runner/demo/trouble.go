package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"shmring/examples/runner/server"
)

// stopRunner stops a runner, which does not die, and lets it go on.
func stopRunner(ctx context.Context, s *stage) []outcome {
	const stall, tokens = 2 * time.Second, 300
	p, err := s.server(ctx, "-stall-after", stall.String())
	if err != nil {
		return []outcome{failed(err)}
	}
	b := s.begin(ctx, streams, tokens)
	if err := b.reach(ctx, 20); err != nil {
		return []outcome{failed(err)}
	}
	victim := p.runners[1]
	at := time.Now()
	if err := kill(victim, syscall.SIGSTOP); err != nil {
		return []outcome{failed(err)}
	}
	var seen time.Time
	h, err := p.Await(ctx, func(h server.Health) bool {
		seen = time.Now()
		return h.Status == "degraded"
	})
	err = errors.Join(err, kill(victim, syscall.SIGCONT))
	if err != nil {
		return []outcome{failed(err)}
	}
	n, err := b.whole()
	if err != nil {
		return []outcome{failed(err)}
	}
	if _, err := p.Await(ctx, func(h server.Health) bool { return h.Status == "ok" }); err != nil {
		return []outcome{failed(err)}
	}
	trouble := h.Runners[1].Trouble
	named := strings.Contains(trouble, fmt.Sprint(victim)) && strings.Contains(trouble, "holds") &&
		h.Runners[0].Trouble == ""
	return []outcome{check(named && n == streams,
		"503 after %v of at most %v: %q; continued: %d streams whole, 200 again",
		round(seen.Sub(at)), stall, trouble, n).intime(seen.Sub(at) <= stall)}
}

// slowClient has one client that asks and does not read, beside others that do.
func slowClient(ctx context.Context, s *stage) []outcome {
	const tokens, buffer, fast = 2500, 1024, 2 * time.Millisecond
	p, err := s.server(ctx, "-step", fast.String(), "-buffer", fmt.Sprint(buffer),
		"-write-buffer", "4096")
	if err != nil {
		return []outcome{failed(err)}
	}
	b := s.begin(ctx, 16, tokens)
	if err := b.reach(ctx, 10); err != nil {
		return []outcome{failed(err)}
	}
	at := time.Now()
	c, err := lazy(ctx, strings.TrimPrefix(p.Base, "http://"))
	if err != nil {
		return []outcome{failed(err)}
	}
	defer c.Close()
	free, err := s.awaitFree(ctx, at, 1)
	if err != nil {
		return []outcome{failed(err)}
	}
	n, err := b.whole()
	if err != nil {
		return []outcome{failed(err)}
	}
	text, err := p.metrics(ctx)
	if err != nil {
		return []outcome{failed(err)}
	}
	cut := strings.Contains(text, `server_requests_total{end="slow_client"} 1`)
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second)) // a socket has deadlines
	got, rerr := io.Copy(io.Discard, c)
	var slow net.Error
	ended := !errors.As(rerr, &slow) || !slow.Timeout()
	return []outcome{check(cut && ended && n == 16,
		"cut and its slot free after %v, %d bytes were read late; %d others whole, between "+
			"tokens %v", round(free), got, n, gaps(b.results))}
}

// lazy asks for a stream and keeps next to nothing of what comes.
func lazy(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		cerr := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		})
		return errors.Join(cerr, err)
	}}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	const body = `{"prompt":"The ","max_tokens":1000000,"stream":true}`
	_, err = fmt.Fprintf(c, "POST /v1/completions HTTP/1.1\r\nHost: demo\r\n"+
		"Content-Length: %d\r\n\r\n%s", len(body), body)
	return c, err
}

// idle measures what everything costs while nothing happens.
func idle(ctx context.Context, s *stage) []outcome {
	rest, most := 30*time.Second, 50*time.Millisecond
	if s.short {
		rest = 5 * time.Second
	}
	p, err := s.server(ctx)
	if err != nil {
		return []outcome{failed(err)}
	}
	if _, err := s.begin(ctx, streams, 20).whole(); err != nil { // it has worked before
		return []outcome{failed(err)}
	}
	p.HTTP.CloseIdleConnections()
	if err := pause(ctx, time.Second); err != nil { // until everybody sleeps
		return []outcome{failed(err)}
	}
	before := p.cpu()
	if err := pause(ctx, rest); err != nil {
		return []outcome{failed(err)}
	}
	used := p.cpu() - before
	return []outcome{check(true, "%v of CPU in %v by %d processes, at most %v", round(used),
		rest, 1+len(p.runners), most).intime(used <= most)}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// smallTmpfs starts a server where its channels have no room.
func smallTmpfs(ctx context.Context, s *stage) []outcome {
	if s.transport == "http" {
		return []outcome{{verdict: none, text: "it uses none"}}
	}
	dir, err := os.MkdirTemp("", "shmring-demo-tmpfs-")
	if err != nil {
		return []outcome{failed(err)}
	}
	defer os.Remove(dir)
	mount := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", "size=512k", "none", dir)
	if out, err := mount.CombinedOutput(); err != nil {
		why := fmt.Sprintf("mount: %v: %s", err, strings.TrimSpace(string(out)))
		return []outcome{{verdict: skip, text: why}}
	}
	cmd := exec.CommandContext(ctx, s.self, "serve", "-listen", "127.0.0.1:0", "-corpus", s.corpus)
	cmd.Env = append(os.Environ(), "SHMRING_DIR="+dir)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if uerr := exec.Command("umount", dir).Run(); uerr != nil {
		return []outcome{failed(fmt.Errorf("umount: %w", uerr))}
	}
	if err != nil && !errors.As(err, &exit) {
		return []outcome{failed(err)}
	}
	text := strings.TrimSpace(string(out))
	return []outcome{check(err != nil && strings.Contains(text, "not enough shared memory") &&
		strings.Contains(text, "remove unused channels"), "exit status %d: %s",
		cmd.ProcessState.ExitCode(), text)}
}

var draining = regexp.MustCompile(`(?m)msg=draining.*requests left`)

// drainLines counts the reports of progress of a drain.
func drainLines(log string) int { return len(draining.FindAllString(log, -1)) }
