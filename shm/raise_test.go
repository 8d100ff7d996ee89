//go:build linux

package shm_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/shm"
)

// TestLocksLieAboveInotify: the kernel takes the files of the dead down from the last to the
// first, and waits long at an inotify. What holds locks must have gone by then.
func TestLocksLieAboveInotify(t *testing.T) {
	begin(t)
	a, b := create(t, "a"), create(t, "b")
	require.NoError(t, a.Claim(2))
	for _, s := range []*shm.Segment{a, b} {
		stop, err := s.Notify(func(shm.Notice) {})
		require.NoError(t, err)
		defer stop()
	}
	require.NoError(t, b.Claim(3))
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	inotify, lowest, locked := -1, 1<<30, 0
	for _, fd := range fds {
		n, err := strconv.Atoi(fd.Name())
		require.NoError(t, err)
		target, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name()))
		if err != nil {
			continue // that of the reading itself
		}
		info, err := os.ReadFile(filepath.Join("/proc/self/fdinfo", fd.Name()))
		require.NoError(t, err)
		switch {
		case strings.HasSuffix(target, ":inotify"):
			inotify = n
		case strings.Contains(string(info), "OFDLCK"):
			lowest, locked = min(lowest, n), locked+1
		}
	}
	require.Equal(t, 2, locked, "one description each, its number changed and its locks not")
	require.GreaterOrEqual(t, inotify, 0)
	require.Greater(t, lowest, inotify)
	assert.True(t, alive(t, a, 2))
	require.NoError(t, a.Unclaim(2))
	assert.False(t, alive(t, a, 2))
}
