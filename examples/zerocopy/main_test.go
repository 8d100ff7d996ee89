//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

func TestTheZerocopyExamplePrintsWhatItSaysAndLeavesNothing(t *testing.T) {
	dir := shmtest.Dir(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	path := filepath.Join(t.TempDir(), "zerocopy")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.CommandContext(ctx, path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.ElementsMatch(t, []string{"64 frames, mean 31"},
		strings.Split(strings.TrimSpace(string(out)), "\n"))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}
