//go:build linux

package main

import (
	"bufio"
	"os/exec"
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
	shmtest.Watchdog(t, time.Minute)
	path := shmtest.Program(t)
	return exec.CommandContext(t.Context(), path, args...)
}

func TestChildGetsWhatTheParentSends(t *testing.T) {
	shmtest.Dir(t) // it must be empty in the end
	out, err := build(t).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var want strings.Builder
	for text := range strings.FieldsSeq("a channel without a name") {
		want.WriteString("child got \"" + text + "\"\n")
	}
	assert.Equal(t, want.String(), string(out))
}

// TestKillingEverybodyLeavesNothing kills parent and child in the middle of their work:
// the child has received, the rest may be on its way.
func TestKillingEverybodyLeavesNothing(t *testing.T) {
	shmtest.Dir(t) // it must be empty in the end
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
}
