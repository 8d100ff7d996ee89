//go:build linux

package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

func TestEveryLetterIsCountedAndTheStagesEndInOrder(t *testing.T) {
	shmtest.Dir(t) // it must be empty in the end
	shmtest.Watchdog(t, time.Minute)
	path := shmtest.Program(t)
	out, err := exec.CommandContext(t.Context(), path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	assert.ElementsMatch(t, []string{"24 letters", "words: CLOSED", "lengths: CLOSED"}, lines)
	assert.Less(t, slices.Index(lines, "words: CLOSED"), slices.Index(lines, "lengths: CLOSED"))
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
