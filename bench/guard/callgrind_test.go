//go:build linux && amd64 && !fault && !race

package guard

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
)

func init() { children["laps"] = childLaps }

// childLaps makes so many laps from Send to Recv and Release.
func childLaps(_ *shmtest.Conn, args []string) error {
	debug.SetGCPercent(-1)
	laps, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	o := options(channel.SPSC)
	o.Nameless = true
	ch, err := channel.Create(context.Background(), "", o)
	if err != nil {
		return err
	}
	p, err := newPath(ch)
	if err != nil {
		return err
	}
	for range laps {
		if err := sends[0].run(p); err != nil {
			return err
		}
		if err := receives[0].run(p); err != nil {
			return err
		}
	}
	return ch.Close()
}

// collected is what callgrind counts for so many laps, from the start of a process to its end.
func collected(t *testing.T, valgrind string, laps int) float64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), valgrind, "--tool=callgrind",
		"--callgrind-out-file=/dev/null", os.Args[0], strconv.Itoa(laps))
	cmd.Env = append(os.Environ(), shmtest.EnvChild+"=laps")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("valgrind does not run this program here: %v\n%s", err, out)
	}
	m := regexp.MustCompile(`Collected : (\d+)`).FindSubmatch(out)
	require.NotNil(t, m, "%s", out)
	n, err := strconv.ParseFloat(string(bytes.TrimSpace(m[1])), 64)
	require.NoError(t, err)
	return n
}

// TestCallgrindCountsTheSame has another tool count what the single steps counted: the
// difference of two runs, over the messages that they differ in.
func TestCallgrindCountsTheSame(t *testing.T) {
	if testing.Short() {
		t.Skip("runs processes under valgrind")
	}
	valgrind, err := exec.LookPath("valgrind")
	if err != nil {
		t.Skip("valgrind is not installed")
	}
	shmtest.Watchdog(t, watchdog)
	shmtest.Dir(t)
	quiet(t)
	const few, many = 10, 210
	each := (collected(t, valgrind, many) - collected(t, valgrind, few)) / (lap * (many - few))
	stepped := 0.0
	for _, half := range []string{"Send", "Recv, Release"} {
		t.Run(half, func(t *testing.T) {
			runtime.LockOSThread() // the kernel knows the tracer by its thread
			defer runtime.UnlockOSThread()
			stepped += float64(trace(t, channel.SPSC, half).count(t).instructions) / lap
		})
	}
	if stepped == 0 {
		t.Skip("tracing is forbidden here")
	}
	t.Logf("a message there: %.1f instructions by callgrind, %.1f by single steps", each, stepped)
	assert.InEpsilon(t, stepped, each, 0.02)
}
