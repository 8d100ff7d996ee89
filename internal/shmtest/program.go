package shmtest

import (
	"encoding/json"
	"os"
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

// EnvOverlay names the overlay file, if any, with which a test was compiled.
const EnvOverlay = "SHMRING_OVERLAY"

// Source returns the text of a source file as it was compiled: for tests that read what no
// running test can see.
func Source(t testing.TB, path string) []byte {
	t.Helper()
	if overlay := os.Getenv(EnvOverlay); overlay != "" {
		var o struct{ Replace map[string]string }
		text, err := os.ReadFile(overlay)
		if err == nil {
			err = json.Unmarshal(text, &o)
		}
		abs, aerr := filepath.Abs(path)
		if err != nil || aerr != nil {
			t.Fatal(err, aerr)
		}
		if replaced := o.Replace[abs]; replaced != "" {
			path = replaced
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
