//go:build linux

package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/examples/runner/client"
	"shmring/examples/runner/server"
)

// attach starts a runner as another container would: in a pid namespace of its own, with
// nothing but the name of the link. Its end is waited for at the end of the test.
func attach(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "runner", "-attach", name,
		"-corpus", corpus, "-step", "1ms")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Skipf("a pid namespace of its own: %v", err)
	}
	return cmd
}

// TestRunnersOfOtherPidNamespacesComeByThemselves is two containers of a pod that share the
// directory of segments and nothing else. The second one is killed, and comes again.
func TestRunnersOfOtherPidNamespacesComeByThemselves(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root makes pid namespaces")
	}
	s := launch(t, "shm", "-attach", "llm", "-runners", "1")
	h, code, err := s.Health(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 503, code, "%+v", h)
	first := attach(t, "llm.0")
	s.ready(t)
	require.NoError(t, s.many(t, 4, 50)[3].Err)

	require.NoError(t, first.Process.Kill())
	require.Error(t, first.Wait())
	second := attach(t, "llm.0")
	_, err = s.Await(t.Context(), func(h server.Health) bool {
		return client.Ready(h) && h.Runners[0].Restarts == 1
	})
	require.NoError(t, err)
	for i, r := range s.many(t, 4, 50) {
		require.NoError(t, r.Err)
		assert.Equal(t, want(t, i, 50), string(r.Text))
	}
	require.NoError(t, second.Process.Signal(syscall.SIGTERM))
	require.NoError(t, s.handler.Drain(t.Context(), func(int) {}))
	require.NoError(t, second.Wait())
}
