//go:build fault

package fault

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Enabled reports whether fault points do anything in this build.
const Enabled = true

// EnvVar holds the rules for this process.
const EnvVar = "SHMRING_FAULT"

// A rule acts at one hit of one point.
type rule struct {
	action string
	arg    string
	hit    int64
	seen   atomic.Int64
}

var (
	hook  atomic.Pointer[func(string)]
	mu    sync.RWMutex
	rules = parseEnv()
)

// SetHook makes f run at every point; nil ends that. It is for tests.
func SetHook(f func(name string)) {
	if f == nil {
		hook.Store(nil)
		return
	}
	hook.Store(&f)
}

// SetRules replaces the rules of this process, in the form of SHMRING_FAULT.
func SetRules(text string) error {
	parsed, err := parse(text)
	if err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	rules = parsed
	return nil
}

// anywhere is the name that stands for every point in a rule.
const anywhere = "*"

// Point marks a named place: it runs the hook and whatever rule is due here.
func Point(name string) {
	if f := hook.Load(); f != nil {
		(*f)(name)
	}
	for _, key := range [...]string{name, anywhere} {
		if r := due(key, func(r *rule) bool { return r.action != "errno" }); r != nil {
			r.act(name)
		}
	}
}

// ErrInjected is wrapped by every error that Err returns.
var ErrInjected = errors.New("injected fault")

// Err is a Point before a call of the kernel that may fail: it returns the error to inject
// there, by a rule name:errno=N.
func Err(name string) error {
	Point(name)
	r := due(name, func(r *rule) bool { return r.action == "errno" })
	if r == nil {
		return nil
	}
	n, err := strconv.Atoi(r.arg)
	if err != nil {
		return ErrInjected
	}
	return fmt.Errorf("%w: %w", ErrInjected, syscall.Errno(n))
}

func due(name string, kind func(*rule) bool) *rule {
	mu.RLock()
	defer mu.RUnlock()
	r := rules[name]
	if r == nil || !kind(r) || r.seen.Add(1) != r.hit {
		return nil
	}
	return r
}

func (r *rule) act(name string) {
	switch r.action {
	case "kill":
		signal(syscall.SIGKILL)
	case "stop":
		signal(syscall.SIGSTOP)
	case "exit":
		os.Exit(7)
	case "panic":
		panic("fault point " + name)
	case "sleep":
		d, err := time.ParseDuration(r.arg)
		if err == nil {
			time.Sleep(d)
		}
	}
}

// signal sends s to the own process and waits for it to take effect. It is sent to this very
// thread, which takes it before it returns from the call: of one that is sent to the process,
// another thread may be told, while this one goes on for some steps.
func signal(s syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := syscall.Tgkill(os.Getpid(), syscall.Gettid(), s); err != nil {
		panic(err)
	}
	if s == syscall.SIGKILL {
		select {}
	}
}

func parseEnv() map[string]*rule {
	parsed, err := parse(os.Getenv(EnvVar))
	if err != nil {
		panic(EnvVar + ": " + err.Error())
	}
	return parsed
}

func parse(text string) (map[string]*rule, error) {
	out := make(map[string]*rule)
	for item := range strings.SplitSeq(text, ",") {
		if item == "" {
			continue
		}
		parts := strings.Split(item, ":")
		if len(parts) < 2 || len(parts) > 3 {
			return nil, fmt.Errorf("rule %q is not name:action[:hit]", item)
		}
		r := &rule{hit: 1}
		r.action, r.arg, _ = strings.Cut(parts[1], "=")
		if len(parts) == 3 {
			n, err := strconv.ParseInt(parts[2], 10, 64)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("rule %q: hit %q is no positive number", item, parts[2])
			}
			r.hit = n
		}
		switch r.action {
		case "kill", "stop", "exit", "panic", "sleep", "errno":
		default:
			return nil, fmt.Errorf("rule %q: unknown action %q", item, r.action)
		}
		out[parts[0]] = r
	}
	return out, nil
}
