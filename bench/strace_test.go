package bench

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStreamAtFullSpeedMakesNoSystemCalls lets strace count what the counters of the
// channel could hide: every system call of both processes, from their start to their end.
// The Go runtime makes some for each second; its sleeps are private to a process, so those
// of a channel can be told from them.
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
			trace := filepath.Join(t.TempDir(), "trace")
			cmd := exec.CommandContext(ctx, strace, "-f", "-C", "-o", trace, os.Args[0],
				"-test.run=^$", "-test.benchtime="+strconv.Itoa(messages)+"x",
				"-test.bench=^BenchmarkStream$/^spin$/^spsc-32B$/^256-slots$/^"+row+"$")
			out, err := cmd.CombinedOutput()
			if bytes.Contains(out, []byte("PTRACE")) {
				t.Skipf("strace may not trace here: %s", out)
			}
			require.NoError(t, err, "%s", out)
			if !bytes.Contains(out, []byte("ns/op")) {
				t.Skip("needs two cores")
			}
			text, err := os.ReadFile(trace)
			require.NoError(t, err)
			shared, table := sharedFutexCalls(text)
			t.Logf("%s%s\nfutex calls in shared memory: %d", out, table, shared)
			assert.LessOrEqual(t, shared, messages/1000)
		})
	}
}

// sharedFutexCalls counts in the output of strace the futex calls that are not private to
// a process, and returns what follows the trace: the table of all calls.
func sharedFutexCalls(trace []byte) (n int, table string) {
	call := regexp.MustCompile(`\bfutex(_waitv)?\(`)
	for line := range strings.Lines(string(trace)) {
		if table != "" || strings.HasPrefix(line, "% time") {
			table += line
		} else if call.MatchString(line) && !strings.Contains(line, "_PRIVATE") {
			n++
		}
	}
	return n, table
}

func TestCallsOfTheRuntimeAreToldFromThoseOfAChannel(t *testing.T) {
	n, table := sharedFutexCalls([]byte(`7 futex(0x1, FUTEX_WAKE_PRIVATE, 1) = 1
7 futex(0x2, FUTEX_WAIT_BITSET, 3, NULL, FUTEX_BITSET_MATCH_ANY <unfinished ...>
8 futex(0x2, FUTEX_WAKE, 2147483647) = 1
7 <... futex resumed>) = 0
8 futex_waitv([{val=1, uaddr=0x2, flags=FUTEX2_SIZE_U32}], 1, 0, NULL, 1) = 0
% time     seconds  usecs/call     calls    errors syscall
  1.00    0.000001           1         5           futex
`))
	assert.Equal(t, 3, n)
	assert.Contains(t, table, "futex")
}
