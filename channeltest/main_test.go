package channeltest_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"shmring/channeltest"
)

func TestMain(m *testing.M) { channeltest.Main(m) }

// fakeT is a test that is allowed to fail. Fatalf ends the goroutine, so it runs in run.
type fakeT struct {
	testing.TB
	ctx      context.Context
	mu       sync.Mutex
	cleanups []func()
	failed   bool
	log      []string
}

// run runs a test's body and its cleanups, and returns what it complained about.
func run(body func(t testing.TB)) (complaints []string) {
	ctx, cancel := context.WithCancel(context.Background())
	f := &fakeT{ctx: ctx}
	var wg sync.WaitGroup
	wg.Go(func() { body(f) })
	wg.Wait()
	cancel()
	wg.Go(func() {
		for len(f.cleanups) > 0 {
			last := f.cleanups[len(f.cleanups)-1]
			f.cleanups = f.cleanups[:len(f.cleanups)-1]
			last()
		}
	})
	wg.Wait()
	return f.log
}

func (f *fakeT) Helper()                  {}
func (f *fakeT) Name() string             { return "fake" }
func (f *fakeT) Context() context.Context { return f.ctx }
func (f *fakeT) Cleanup(fn func())        { f.cleanups = append(f.cleanups, fn) }
func (f *fakeT) Logf(string, ...any)      {}
func (f *fakeT) Setenv(key, value string) {
	old, was := os.LookupEnv(key)
	_ = os.Setenv(key, value)
	f.Cleanup(func() {
		if was {
			_ = os.Setenv(key, old)
		} else {
			_ = os.Unsetenv(key)
		}
	})
}

func (f *fakeT) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

func (f *fakeT) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = true
	f.log = append(f.log, fmt.Sprintf(format, args...))
}

func (f *fakeT) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}
