package shmring_test

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// core is what an importer of link links.
var core = []string{"./futex", "./state", "./shm", "./ring", "./channel", "./manager", "./link"}

// TestCrossBuilds builds for other systems what programs import that also run there.
func TestCrossBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the standard library for other systems")
	}
	for _, target := range []struct {
		name, os, arch string
		packages       []string
	}{
		{"macOS", "darwin", "arm64", core},
		{"Windows", "windows", "amd64", core},
		{"Linux of 32 bits", "linux", "386", core},
		{"Linux of big-endian words", "linux", "s390x", core},
		{"Linux of arm64", "linux", "arm64", []string{"./..."}},
	} {
		t.Run(target.name, func(t *testing.T) {
			cmd := command(t, ".", "go", append([]string{"build"}, target.packages...)...)
			cmd.Env = append(cmd.Env, "GOOS="+target.os, "GOARCH="+target.arch)
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s", out)
		})
	}
}

// TestProgramOfAnotherSystemIsToldSo runs a program for 32 bits, which this kernel runs too:
// all that would make, use or find a segment fails, and says what is needed.
func TestProgramOfAnotherSystemIsToldSo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the standard library for another processor")
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("only an amd64 kernel runs programs for 386")
	}
	program := filepath.Join(t.TempDir(), "unsupported")
	build := command(t, ".", "go", "build", "-o", program, "./testdata/unsupported")
	build.Env = append(build.Env, "GOOS=linux", "GOARCH=386")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = command(t, ".", program).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "create q: unsupported operation: shmring needs Linux on amd64 or arm64, "+
		"this program was built for linux/386\n", string(out))
}
