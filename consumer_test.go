package shmring_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

// hangs ends a command of a test that hangs, never one that is slow.
const hangs = 10 * time.Minute

// command is a command of the test in dir; without a network, and whatever workspace
// surrounds the module.
func command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "CGO_ENABLED=0",
		"GOFLAGS=-buildvcs=false")
	return cmd
}

// TestConsumerModuleBuilds is README's quick start in a module of its own, which knows this
// one by require and replace: the module cache of this one must be enough to build it.
func TestConsumerModuleBuilds(t *testing.T) {
	const module = "testdata/consumer"
	files := []string{filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum")}
	before := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		before[file] = string(text)
	}
	consumer := filepath.Join(t.TempDir(), "consumer")
	out, err := command(t, module, "go", "build", "-mod=mod", "-o", consumer, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, before[file], string(text), "%s: run go mod tidy in %s", file, module)
	}

	for _, order := range [][]string{{"send", "recv"}, {"recv", "send"}} {
		t.Run(order[0]+" first", func(t *testing.T) {
			shmtest.Dir(t)
			var received bytes.Buffer
			var sides []*exec.Cmd
			for _, side := range order {
				cmd := command(t, ".", consumer, side)
				cmd.Stderr = os.Stderr
				if side == "recv" {
					cmd.Stdout = &received
				}
				require.NoError(t, cmd.Start())
				sides = append(sides, cmd)
			}
			var errs []error
			for _, cmd := range sides { // all of them: nobody is left running
				errs = append(errs, cmd.Wait())
			}
			require.NoError(t, errors.Join(errs...))
			assert.Equal(t, "hello\n", received.String())
		})
	}
}
