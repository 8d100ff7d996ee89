//go:build linux

package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

// build compiles the example and returns a command that runs it.
func build(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	path := filepath.Join(t.TempDir(), "nameless")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return exec.CommandContext(ctx, path, args...)
}

func TestChildGetsWhatTheParentSends(t *testing.T) {
	dir := shmtest.Dir(t)
	out, err := build(t).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var want strings.Builder
	for text := range strings.FieldsSeq("a channel without a name") {
		want.WriteString("child got \"" + text + "\"\n")
	}
	assert.Equal(t, want.String(), string(out))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

// TestKillingEverybodyLeavesNothing kills parent and child in the middle of their work:
// the child has received, the rest may be on its way.
func TestKillingEverybodyLeavesNothing(t *testing.T) {
	dir := shmtest.Dir(t)
	cmd := build(t)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "child got \"a\"\n", line)
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // unless they were faster
	_ = cmd.Wait()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}
