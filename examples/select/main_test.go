//go:build linux

package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

func TestTheSelectExamplePrintsWhatItSaysAndLeavesNothing(t *testing.T) {
	shmtest.Dir(t) // it must be empty in the end
	shmtest.Watchdog(t, time.Minute)
	path := shmtest.Program(t)
	out, err := exec.CommandContext(t.Context(), path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.ElementsMatch(t, []string{
		"select-requests: one", "select-requests: two", "select-cancels: one",
		"select-cancels: two",
	},
		strings.Split(strings.TrimSpace(string(out)), "\n"))
}

func TestTheFirstProcessEndsIfAnotherFails(t *testing.T) {
	shmtest.Dir(t)
	shmtest.Watchdog(t, time.Minute)
	cmd := exec.CommandContext(t.Context(), shmtest.Program(t))
	cmd.Args[0] = "/bin/false" // what it starts
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "exit status 1")
}
