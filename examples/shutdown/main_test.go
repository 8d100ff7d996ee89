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

func TestEverythingEndsInOrderAndEveryJobIsDone(t *testing.T) {
	shmtest.Dir(t) // it must be empty in the end
	shmtest.Watchdog(t, time.Minute)
	path := shmtest.Program(t)
	out, err := exec.CommandContext(t.Context(), path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	text := string(out)
	assert.Contains(t, text, "worker did 200 jobs until \"deploy\"\n")
	assert.Contains(t, text, "jobs: 0 slots left\n")
	assert.True(t, strings.HasSuffix(text,
		"jobs ended\nworker ended\nresults ended\n0 messages discarded\n"), text)
}
