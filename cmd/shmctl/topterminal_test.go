package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

// A terminal is a pane of a tmux of its own, which ends with the test.
type terminal struct {
	t   *testing.T
	env []string
}

// newTerminal runs a shell command in a pane. What it leaves on the screen stays there.
func newTerminal(t *testing.T, width, height int, command string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("needs tmux: ", err)
	}
	shmtest.Watchdog(t, 2*time.Minute)
	sockets, err := os.MkdirTemp("", "tmux") //nolint:usetesting // a socket's path is short
	require.NoError(t, err)
	term := &terminal{t, append(os.Environ(), "TMUX_TMPDIR="+sockets, "LC_ALL=C.UTF-8",
		"GORACE=atexit_sleep_ms=0")}
	t.Cleanup(func() {
		out, err := term.command("kill-server").CombinedOutput()
		if err != nil {
			t.Logf("kill-server: %v: %s", err, out)
		}
		if err := os.RemoveAll(sockets); err != nil {
			t.Log(err)
		}
	})
	term.tmux("new-session", "-d", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height),
		command+"; exec cat")
	term.tmux("run-shell", "-b", fmt.Sprintf( // a killed test leaves no tmux
		"while kill -0 %d; do sleep 1; done 2>/dev/null; tmux -L shmctl kill-server;"+
			"rm -r %s", os.Getpid(), sockets))
	return term
}

func (term *terminal) command(args ...string) *exec.Cmd {
	args = append([]string{"-u", "-L", "shmctl", "-f", os.DevNull}, args...)
	cmd := exec.Command("tmux", args...) //nolint:noctx // it ends at once, also after the test
	cmd.Env = term.env
	return cmd
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	out, err := term.command(args...).CombinedOutput()
	require.NoError(term.t, err, "tmux %s: %s", args, out)
	return string(out)
}

func (term *terminal) keys(keys ...string) {
	term.t.Helper()
	term.tmux(append([]string{"send-keys"}, keys...)...)
}

func (term *terminal) screen() string {
	term.t.Helper()
	return strings.TrimRight(term.tmux("capture-pane", "-p"), "\n") + "\n"
}

// await looks at something until it is what it should be. Where that never comes the last
// look is told.
func (term *terminal) await(what string, look func() string, want func(string) bool) {
	term.t.Helper()
	got := ""
	for range 1500 {
		if got = look(); want(got) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	term.t.Fatalf("never seen: %s\nlast seen:\n%s", what, got)
}

// see waits until the screen has a text that matches.
func (term *terminal) see(pattern string) {
	term.t.Helper()
	term.await(pattern, term.screen, regexp.MustCompile("(?m)"+pattern).MatchString)
}

// sees waits until the screen is that of testdata/screen, with numbers masked.
func (term *terminal) sees(name, ready string) {
	term.t.Helper()
	path := filepath.Join("testdata", "screen", name+".txt")
	if *update {
		last := ""
		term.await(ready+", and two looks alike", term.screen, func(got string) bool {
			got, last = last, maskScreen(got)
			return got == last && regexp.MustCompile("(?m)"+ready).MatchString(last)
		})
		require.NoError(term.t, os.WriteFile(path, []byte(last), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(term.t, err)
	term.await(path+"\n"+string(want), func() string { return maskScreen(term.screen()) },
		func(got string) bool { return got == string(want) })
}

// state is whether an alternate screen is shown, and whether a cursor is.
func (term *terminal) state() string {
	term.t.Helper()
	return strings.TrimSpace(term.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}"))
}

// A screenMask hides what differs from run to run, and keeps the width of columns.
type screenMask struct {
	lines *regexp.Regexp // nil: all
	what  *regexp.Regexp
	by    string // in place of it, flush right if that began with two blanks
}

var (
	lively      = regexp.MustCompile(`^.?.?(tokens |depth |sent )|messages, `)
	screenMasks = []screenMask{
		{nil, regexp.MustCompile(`, in /.*`), ", in DIR"},
		{nil, regexp.MustCompile(`^tree  .*`), "tree  DIR"},
		{nil, regexp.MustCompile(`^(bytes|time|messages/s|GB/s) .*`), "$1 N"},
		{nil, regexp.MustCompile(`\bpid \d+`), "pid N"},
		{nil, regexp.MustCompile(`\bsince (now|\d+ \w+ ago)`), "since T"},
		{nil, regexp.MustCompile(`^(latency p[0-9.]+) .*`), "$1 T"},
		{nil, regexp.MustCompile(`\b(\d+(\.\d+)?(h|m|s|ms|µs|ns))+\b`), "T"},
		{lively, regexp.MustCompile(` *\b\d[\d.,]*k?/\d[\d.,]*k?\b`), "N/N"},
		{lively, regexp.MustCompile(` *\b\d[\d.,]*[kM]?\b`), "N"},
	}
)

func maskScreen(screen string) string {
	lines := strings.Split(screen, "\n")
	for i, line := range lines {
		for _, m := range screenMasks {
			if m.lines != nil && !m.lines.MatchString(line) {
				continue
			}
			if strings.Contains(m.by, "$1") {
				line = m.what.ReplaceAllString(line, m.by)
				continue
			}
			line = m.what.ReplaceAllStringFunc(line, func(found string) string {
				blanks := len(found) - len(strings.TrimLeft(found, " "))
				if blanks < 2 {
					return found[:blanks] + m.by
				}
				return fill(m.by, len(found), true)
			})
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}
