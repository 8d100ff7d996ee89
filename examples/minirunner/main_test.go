//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

func TestRunnerAnswersAndNothingIsLeft(t *testing.T) {
	dir := shmtest.Dir(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	path := filepath.Join(t.TempDir(), "minirunner")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.CommandContext(ctx, path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var want strings.Builder
	for word := range strings.FieldsSeq("a runner of one's own") {
		want.WriteString("request 1: " + word + "\n")
	}
	assert.Equal(t, want.String(), string(out))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
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
