//go:build linux

package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

func TestRunnerAnswersAndNothingIsLeft(t *testing.T) {
	shmtest.Dir(t) // it must be empty in the end
	shmtest.Watchdog(t, time.Minute)
	path := shmtest.Program(t)
	out, err := exec.CommandContext(t.Context(), path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var want strings.Builder
	for word := range strings.FieldsSeq("a runner of one's own") {
		want.WriteString("request 1: " + word + "\n")
	}
	assert.Equal(t, want.String(), string(out))
}

// TestReadmeShowsThisProgram keeps the code in README the code that is compiled here.
func TestReadmeShowsThisProgram(t *testing.T) {
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, code, ok := strings.Cut(string(source), "// shown in README: begin\n")
	require.True(t, ok)
	code, _, ok = strings.Cut(code, "// shown in README: end\n")
	require.True(t, ok)
	code = regexp.MustCompile(`\n{2,}`).ReplaceAllString(strings.TrimSpace(code), "\n")
	assert.Contains(t, string(readme), "```go\n"+code+"\n```\n")
}
