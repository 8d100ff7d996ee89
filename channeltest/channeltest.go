package channeltest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"shmring/channel"
)

// envDir is the variable that moves segments.
const envDir = "SHMRING_DIR"

// New creates a channel in the test's directory; its Name is another one for each. Without
// options it is what the zero Options make; more than one Options are a mistake. Dir is set
// by New. When the test ends the channel is closed, if it is open, and removed with what is
// unread.
func New(t testing.TB, o ...channel.Options) *channel.Channel {
	t.Helper()
	if len(o) > 1 {
		t.Fatalf("channeltest: New takes one Options, got %d", len(o))
	}
	f := of(t)
	var options channel.Options
	if len(o) == 1 {
		options = o[0]
	}
	options.Dir = f.dir
	f.mu.Lock()
	defer f.mu.Unlock()
	name := ""
	if !options.Nameless {
		name = fmt.Sprintf("channel-%d", len(f.channels)+1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ch, err := channel.Create(ctx, name, options)
	if err != nil {
		t.Fatalf("channeltest: %v", err)
	}
	f.channels = append(f.channels, ch)
	return ch
}

// Dir returns the test's own directory of segments, for OpenOptions.Dir. It is in
// $SHMRING_DIR, else in /dev/shm. When the test ends it must be empty, and is removed.
func Dir(t testing.TB) string {
	t.Helper()
	return of(t).dir
}

// Setenv makes the test's directory the default of this process while the test runs, by
// SHMRING_DIR. Like t.Setenv it cannot be used in parallel tests. It returns the directory.
func Setenv(t testing.TB) string {
	t.Helper()
	dir := of(t).dir
	t.Setenv(envDir, dir)
	return dir
}

// CheckLeaks makes the test fail at its end for whatever is left: see the package comment.
// New, Dir, Setenv and Start do the same; it is for a test that begins with none of these.
func CheckLeaks(t testing.TB) {
	t.Helper()
	of(t)
}

// patience bounds what New does, and what has to happen by itself when a test ends.
const patience = 10 * time.Second

// A fixture is what one test has. All of it is ended by one cleanup, in an order that
// does not depend on what was asked for first.
type fixture struct {
	dir       string
	goroutine string // the test's, by number

	mu        sync.Mutex
	channels  []*channel.Channel
	processes []*Process
}

var fixtures sync.Map // testing.TB to *fixture

// of returns the fixture of the test, which it makes at the first call.
func of(t testing.TB) *fixture {
	t.Helper()
	if f, ok := fixtures.Load(t); ok {
		return f.(*fixture) //nolint:errcheck // nothing else is stored
	}
	base := os.Getenv(envDir)
	if base == "" {
		base = "/dev/shm"
	}
	dir, err := os.MkdirTemp(base, "channeltest-*") //nolint:usetesting // in shared memory
	if err != nil {
		t.Fatalf("channeltest: make a directory of segments: %v", err)
	}
	f := &fixture{dir: dir, goroutine: ownGoroutine()}
	if other, lost := fixtures.LoadOrStore(t, f); lost {
		_ = os.Remove(dir)
		return other.(*fixture) //nolint:errcheck // nothing else is stored
	}
	t.Cleanup(func() { f.end(t) })
	return f
}

// end ends everything and reports what is left.
func (f *fixture) end(t testing.TB) {
	t.Helper()
	fixtures.Delete(t)
	for _, p := range slices.Backward(f.processes) {
		p.finish()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, ch := range slices.Backward(f.channels) {
		if err := f.remove(ctx, ch); err != nil {
			t.Errorf("channeltest: %v", err)
		}
	}
	for _, leak := range f.leaks() {
		t.Errorf("channeltest: %s", leak)
	}
	if err := os.RemoveAll(f.dir); err != nil {
		t.Errorf("channeltest: %v", err)
	}
}

// remove closes a channel that New made and deletes its segment. That the test did so
// itself is no error.
func (f *fixture) remove(ctx context.Context, ch *channel.Channel) error {
	if err := ch.Close(); err != nil && !errors.Is(err, channel.ErrClosed) {
		return err
	}
	if ch.Name() == "" {
		return nil
	}
	if _, err := os.Lstat(ch.Path()); filepath.Dir(ch.Path()) != f.dir || err != nil {
		return nil //nolint:nilerr // it is gone
	}
	// A process that another test just starts has all our descriptors until its exec.
	for until := time.Now().Add(leakPatience); ; <-time.After(pollEvery) {
		err := channel.Remove(ctx, ch.Name(), channel.RemoveOptions{Dir: f.dir, Unread: true})
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case !errors.Is(err, channel.ErrBusy):
			return err
		case time.Now().After(until):
			return fmt.Errorf("somebody still has a channel of New open: %w", err)
		}
	}
}
