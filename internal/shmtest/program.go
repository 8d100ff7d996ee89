package shmtest

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Program compiles the program in the directory of the test and returns its path.
func Program(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return path
}
