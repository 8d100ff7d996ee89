//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"shmring/internal/shmtest"
)

// A runner builds and runs tests, with and without mutants.
type runner struct {
	root string // of the module
	tmp  string

	mu    sync.Mutex
	sound map[string]*baseline // by build
}

// A baseline is a build without a mutant, and how long its tests take.
type baseline struct {
	mu    sync.Mutex
	bin   string
	times map[string]time.Duration
}

// A result says what became of a mutant.
type result struct {
	mutant  mutant
	killed  []string // tests that failed, and how
	passed  []string // tests that should have
	err     error    // nothing can be said
	seconds float64
}

func (r *result) survived() bool { return r.err == nil && len(r.passed) > 0 }

// Limits of one test run.
const (
	leastLimit = 15 * time.Second
	manyTimes  = 5 // as long as it takes without the mutant
	soundLimit = 3 * time.Minute
)

// try builds a mutant and runs its tests.
func (r *runner) try(ctx context.Context, m mutant, short bool) result {
	began := time.Now()
	res := result{mutant: m}
	res.err = r.tryAll(ctx, &m, short, &res)
	res.seconds = time.Since(began).Seconds()
	return res
}

func (r *runner) tryAll(ctx context.Context, m *mutant, short bool, res *result) error {
	dir, err := os.MkdirTemp(r.tmp, m.id+"-*")
	if err != nil {
		return err
	}
	overlay, err := r.overlay(m, dir)
	if err != nil {
		return err
	}
	bins := make(map[string]string)
	for i, t := range m.tests {
		if short && i > 0 {
			break
		}
		took, err := r.passes(ctx, m, t)
		if err != nil {
			return err
		}
		if bins[t.pkg] == "" {
			bins[t.pkg] = filepath.Join(dir, strings.ReplaceAll(t.pkg, "/", "-")+".test")
			if err := r.build(ctx, m, t.pkg, overlay, bins[t.pkg]); err != nil {
				return err
			}
		}
		how, out, err := r.run(ctx, bins[t.pkg], t, max(leastLimit, manyTimes*took), overlay)
		switch {
		case err != nil:
			return err
		case how == passed:
			res.passed = append(res.passed, t.String())
		case how == fails || how == hangs || how == panics:
			res.killed = append(res.killed, fmt.Sprintf("%s %s", t.name, how))
		default:
			return fmt.Errorf("%s %s:\n%s", t, how, tail(out))
		}
	}
	return os.RemoveAll(dir)
}

// overlay writes the changed files and what go build has to know of them.
func (r *runner) overlay(m *mutant, dir string) (string, error) {
	files, err := m.apply(r.root)
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for name, text := range files {
		changed := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(r.root, name)] = changed
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, b, 0o600)
}

// build compiles the tests of a package.
func (r *runner) build(ctx context.Context, m *mutant, pkg, overlay, bin string) error {
	args := []string{"test", "-c", "-o", bin, "-tags", m.tags}
	if m.race {
		args = append(args, "-race")
	}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+pkg)...)
	cmd.Dir = r.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s does not build: %w\n%s", m.name, err, out)
	}
	return nil
}

// passes makes sure that a test passes without the mutant, and returns how long it takes.
func (r *runner) passes(ctx context.Context, m *mutant, t test) (time.Duration, error) {
	key := fmt.Sprintf("%s %s %v", t.pkg, m.tags, m.race)
	r.mu.Lock()
	b := r.sound[key]
	if b == nil {
		b = &baseline{times: make(map[string]time.Duration)}
		r.sound[key] = b
	}
	r.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bin == "" {
		bin := filepath.Join(r.tmp, strings.NewReplacer("/", "-", " ", "-").Replace(key)+".test")
		if err := r.build(ctx, m, t.pkg, "", bin); err != nil {
			return 0, err
		}
		b.bin = bin
	}
	if took, known := b.times[t.name]; known {
		return took, nil
	}
	began := time.Now()
	how, out, err := r.run(ctx, b.bin, t, soundLimit, "")
	if err == nil && how != passed {
		err = fmt.Errorf("%s %s without any mutant:\n%s", t, how, tail(out))
	}
	if err != nil {
		return 0, err
	}
	b.times[t.name] = time.Since(began)
	return b.times[t.name], nil
}

// How a test ends.
const (
	passed = "passes"
	fails  = "fails"
	hangs  = "hangs"
	panics = "panics"
	absent = "did not run"
)

// run runs one test in a process group of its own, with directories of its own, so that
// nothing is left of it however it ends. A test that reads sources reads those of the overlay.
func (r *runner) run(
	ctx context.Context, bin string, t test, limit time.Duration, overlay string,
) (how string, out []byte, err error) {
	home, err := os.MkdirTemp(r.tmp, "run-*")
	if err != nil {
		return "", nil, err
	}
	shared, err := os.MkdirTemp("/dev/shm", "shmring-mutant-*")
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home), os.RemoveAll(shared)) }()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-test.v", "-test.run", pattern(t.name))
	cmd.Dir = filepath.Join(r.root, t.pkg)
	cmd.Env = append(os.Environ(), "TMPDIR="+home, "SHMRING_TEST_DIR="+shared, "SHMRING_EVIDENCE=",
		shmtest.EnvOverlay+"="+overlay)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	end := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // children that it left
	}
	out = text.Bytes()
	switch {
	case end == nil && bytes.Contains(out, []byte("--- PASS: "+base(t.name))):
		return passed, out, nil
	case end == nil:
		return absent, out, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return hangs, out, nil
	case ctx.Err() != nil:
		return "", out, ctx.Err()
	case bytes.Contains(out, []byte("--- FAIL: "+base(t.name))):
		return fails, out, nil
	case watchdog.Match(out):
		return hangs, out, nil
	case crash.Match(out):
		return panics, out, nil
	}
	return "ended with " + end.Error(), out, nil
}

var (
	watchdog = regexp.MustCompile(`(?m)^panic: .* hangs: not over after`)
	crash    = regexp.MustCompile(`(?m)^(panic|fatal error|unexpected fault address|SIG\w+): ?`)
)

func base(name string) string {
	name, _, _ = strings.Cut(name, "/")
	return name
}

// pattern names one test and its subtest, and nothing that begins like them.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// tail returns the end of a long output.
func tail(out []byte) []byte {
	const most = 4000
	if len(out) > most {
		out = out[len(out)-most:]
	}
	return out
}
