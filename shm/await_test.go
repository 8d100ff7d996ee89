//go:build linux

package shm_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
	"shmring/shm"
)

func TestAwaitNameThatIsThereReturnsAtOnceEvenIfTheContextHasEnded(t *testing.T) {
	begin(t)
	create(t, "a")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, shm.AwaitName(ended, "", "a"))
}

func TestAwaitNameEndsWhenTheNameComes(t *testing.T) {
	dir := begin(t)
	for name, come := range map[string]func(){
		"created": func() { create(t, "created") },
		"renamed": func() {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "new"), nil, 0o600))
			require.NoError(t, os.Rename(filepath.Join(dir, "new"), fileOf(dir, "renamed")))
		},
	} {
		done := make(chan error, 1)
		go func() { done <- shm.AwaitName(t.Context(), "", name) }()
		for range 100 {
			shmtest.Yield()
		}
		create(t, "other"+name)
		require.Empty(t, done, "another name")
		come()
		require.NoError(t, <-done)
	}
	require.NoError(t, os.Remove(fileOf(dir, "renamed")))
}

func TestAwaitNameEndsWithItsContextAndGivesTheCause(t *testing.T) {
	begin(t)
	cause := errors.New("not any more")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- shm.AwaitName(ctx, "", "a") }()
	for range 100 {
		shmtest.Yield()
	}
	cancel(cause)
	require.ErrorIs(t, <-done, cause)
	require.ErrorIs(t, shm.AwaitName(soon(t), "", "a"), context.DeadlineExceeded)
}

func TestAwaitNameInADirectoryThatIsMissingIsAnError(t *testing.T) {
	dir := begin(t)
	err := shm.AwaitName(t.Context(), filepath.Join(dir, "missing"), "a")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestManyWaitForManyNames(t *testing.T) {
	begin(t)
	done := make(chan error, 8)
	names := []string{"a", "b", "c", "d", "a", "b", "c", "d"}
	for _, name := range names {
		go func() { done <- shm.AwaitName(t.Context(), "", name) }()
	}
	for _, name := range names[:4] {
		create(t, name)
		time.Sleep(time.Millisecond)
	}
	for range names {
		require.NoError(t, <-done)
	}
}
