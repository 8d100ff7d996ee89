package bench

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStreamAtFullSpeedMakesNoSystemCalls lets strace count what the counters of the
// channel could hide: every system call of both processes, from their start to their end,
// the calls of the Go runtime included. Those are some hundred whatever is sent, so the
// stream is long.
func TestStreamAtFullSpeedMakesNoSystemCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("a second or two under strace")
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	const messages = 4_000_000
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, row := range []string{"one-by-one", "batch-32"} {
		t.Run(row, func(t *testing.T) {
			counts := filepath.Join(t.TempDir(), "counts")
			cmd := exec.CommandContext(ctx, strace, "-f", "-c", "-o", counts, os.Args[0],
				"-test.run=^$", "-test.benchtime="+strconv.Itoa(messages)+"x",
				"-test.bench=^BenchmarkStream$/^spin$/^spsc-32B$/^256-slots$/^"+row+"$")
			cmd.Env = append(os.Environ(), "GOGC=off")
			out, err := cmd.CombinedOutput()
			if bytes.Contains(out, []byte("PTRACE")) {
				t.Skipf("strace may not trace here: %s", out)
			}
			require.NoError(t, err, "%s", out)
			if !bytes.Contains(out, []byte("ns/op")) {
				t.Skip("needs two cores")
			}
			table, err := os.ReadFile(counts)
			require.NoError(t, err)
			t.Logf("%s%s", out, table)
			assert.Less(t, calls(t, table, "futex"), messages/1000)
			assert.Less(t, calls(t, table, "total"), messages/250)
		})
	}
}

// calls reads how often a system call was made from the table that strace -c writes.
func calls(t *testing.T, table []byte, name string) int {
	t.Helper()
	line := regexp.MustCompile(`(?m)^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?` + name + `$`)
	found := line.FindSubmatch(table)
	require.NotNil(t, found, "no %s in\n%s", name, table)
	n, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return n
}
