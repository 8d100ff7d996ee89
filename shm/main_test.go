//go:build linux

package shm_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/shm"
)

func TestMain(m *testing.M) { shmtest.Main(m, children) }

// children are the functions that tests run in processes of their own.
var children = map[string]shmtest.ChildFunc{}

// limit is when a watchdog takes a test for hanging.
const limit = 2 * time.Minute

// begin gives a test its directory of segments and its watchdog. When the test is over
// no descriptor, mapping or goroutine of a segment may be left.
func begin(t testing.TB) string {
	t.Helper()
	dir := shmtest.Dir(t)
	shmtest.Watchdog(t, limit)
	t.Cleanup(func() {
		goleak.VerifyNone(t)
		assert.Empty(t, held(t), "descriptors or mappings left")
	})
	return dir
}

// held lists what this process still has of segments: descriptors and mappings.
func held(t testing.TB) []string {
	t.Helper()
	var out []string
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range fds {
		target, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err != nil {
			continue // that of the reading itself
		}
		if strings.Contains(target, "shmring-test-") || strings.Contains(target, "inotify") {
			out = append(out, "fd "+fd.Name()+" "+target)
		}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "shmring-test-") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// params describe a small segment.
func params() layout.Params {
	return layout.Params{
		Kind: layout.KindChannel, RingKind: layout.RingMPSC, SlotCount: 4, SlotSize: 64,
		MaxParticipants: 8,
	}
}

func create(t testing.TB, name string) *shm.Segment {
	t.Helper()
	s, err := shm.Create(t.Context(), shm.CreateOptions{Name: name, Params: params()})
	require.NoError(t, err)
	closeAtEnd(t, s)
	return s
}

func open(t testing.TB, name string) *shm.Segment {
	t.Helper()
	s, err := shm.Open(t.Context(), shm.OpenOptions{Name: name})
	require.NoError(t, err)
	closeAtEnd(t, s)
	return s
}

// closeAtEnd closes what a test may have closed itself, and removes its name.
func closeAtEnd(t testing.TB, s *shm.Segment) {
	t.Helper()
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
		if s.Path() != "" {
			_ = os.Remove(s.Path()) // most are gone by then
		}
	})
}

// soon returns a context that ends in a moment: for waits that must end by it.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// fileOf returns the file of a segment of that name.
func fileOf(dir, name string) string { return filepath.Join(dir, "shmring."+name) }

// never is lastOut of a segment that stays.
func never() bool { return false }

// always is lastOut of one that goes.
func always() bool { return true }

// statusOf returns the letter of a process's state: T is stopped, Z is dead.
func statusOf(t testing.TB, pid int) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	text := string(data)
	return text[strings.LastIndexByte(text, ')')+2:][:1]
}
