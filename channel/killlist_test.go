//go:build fault

package channel_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unpassed are the points that no victim of the matrix passes, and why.
var unpassed = map[string]string{
	"shm.kill.opened":  "whoever ends a stalled peer: killfault_test.go of package shm",
	"shm.kill.read":    "the same",
	"shm.kill.checked": "the same",
	// TestRollbackThatEndsWhileItsReceiverLooksIsNoError
	"channel.recv.error": "only beside a rollback that goes on",
}

// pointCall finds the points in the sources. A name is always a literal.
var pointCall = regexp.MustCompile(`fault\.(Point|Err)\((.*?)\)`)

// sourcePoints lists the points of all packages below this one.
func sourcePoints(t *testing.T) map[string]bool {
	t.Helper()
	points := make(map[string]bool)
	for _, pkg := range []string{"futex", "state", "ring", "shm", "channel"} {
		files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, m := range pointCall.FindAllStringSubmatch(string(text), -1) {
				name := strings.Trim(m[2], `"`)
				assert.Regexp(t, `^`+pkg+`\.[a-z]+\.[a-z]+$`, name, file)
				points[name] = true
			}
		}
	}
	return points
}

// TestEveryFaultPointIsPassedByAVictim finds points that nobody is killed at, among them
// dead ones.
func TestEveryFaultPointIsPassedByAVictim(t *testing.T) {
	all := killCrew(t)
	points := sourcePoints(t)
	missing := maps.Clone(points)
	passed := make(map[string]bool)
	// Some victims wait for a moment only, and on a busy machine it is over too soon.
	for round := 0; round < 10 && len(missing) > len(unpassed); round++ {
		for _, r := range matrix {
			points, err := all[0].run(t.Context(), r, killStep{role: r.role})
			require.NoError(t, err)
			for name := range points {
				passed[name] = true
				delete(missing, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(points)) {
		if why, ok := unpassed[name]; ok {
			assert.False(t, passed[name], "%s is passed, although: %s", name, why)
			continue
		}
		assert.True(t, passed[name], "%s is a fault point that no victim passes", name)
	}
	for name := range unpassed {
		assert.True(t, points[name], "%s is no fault point any more", name)
	}
	t.Logf("%d points in %d conversations", len(points), len(matrix))
}
