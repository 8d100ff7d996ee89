//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

func TestWordsArriveWhoeverIsFirst(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	path := filepath.Join(t.TempDir(), "hello")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, sendFirst := range []bool{true, false} {
		dir := shmtest.Dir(t)
		var got, errs bytes.Buffer
		send := exec.CommandContext(ctx, path, "send", "hello", "world")
		recv := exec.CommandContext(ctx, path, "recv")
		recv.Stdout, recv.Stderr, send.Stderr = &got, &errs, &errs
		order := []*exec.Cmd{recv, send}
		if sendFirst {
			order = []*exec.Cmd{send, recv}
		}
		for _, cmd := range order {
			require.NoError(t, cmd.Start())
		}
		for _, cmd := range order {
			assert.NoError(t, cmd.Wait(), "%s", &errs) //nolint:testifylint // both are waited for
		}
		assert.Equal(t, "hello\nworld\n", got.String())
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Empty(t, entries)
	}
}
