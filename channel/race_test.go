//go:build race

package channel_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/race"
	"shmring/internal/shmtest"
)

// Under the race detector all tests of this package run on memory that it sees. 0 in the
// environment lets them run on plain mappings, as programs of users do, and so does the
// process whose system calls are traced.
func init() {
	switch {
	case os.Getenv(shmtest.EnvChild) == "system calls":
		_ = os.Setenv(race.EnvVisible, "0") // the name is a good one
	case os.Getenv(race.EnvVisible) == "":
		_ = os.Setenv(race.EnvVisible, "1")
	}
}

// envMistake makes TestUserMistake run, in a process of its own.
const envMistake = "SHMRING_TEST_MISTAKE"

const report = "WARNING: DATA RACE"

// runSelf runs tests of this package in another process, on mappings that the detector
// sees or on plain ones.
func runSelf(t *testing.T, tests, visible string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+tests)
	cmd.Env = append(os.Environ(), race.EnvVisible+"="+visible,
		"GORACE=atexit_sleep_ms=0 suppress_equal_stacks=0")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestOrderOnPlainMappings runs the tests of order on the mappings that programs have, where
// the detector sees nothing of the channel and would report everything that no token orders.
func TestOrderOnPlainMappings(t *testing.T) {
	if !race.Visible() {
		t.Skip("all tests run on plain mappings")
	}
	shmtest.Watchdog(t, 3*time.Minute)
	out, err := runSelf(t, "^TestOrderFrom", "0")
	require.NoError(t, err, out)
	require.NotContains(t, out, report)
}

// TestHostileWriterOnPlainMappings runs the hostile writer where the detector does not see
// his stores, which break the order of the ring: it looks at everything else then.
func TestHostileWriterOnPlainMappings(t *testing.T) {
	if !race.Visible() {
		t.Skip("the hostile writer runs on plain mappings anyway")
	}
	shmtest.Watchdog(t, 3*time.Minute)
	out, err := runSelf(t, "^TestHostileWriterBesideEveryCall$", "0")
	require.NoError(t, err, out)
	require.NotContains(t, out, report)
}

// mistakes are programs that rely on an order that a channel does not give.
var mistakes = map[string]func(s *sides){
	"written after the send": func(s *sides) {
		s.beside(func() error {
			err := s.sendOne()
			s.write()
			return err
		}, s.then(s.recvOne))
	},
	"written after the release": func(s *sides) {
		require.NoError(s.t, s.sendOne())
		s.beside(func() error {
			err := s.recvOne()
			s.write()
			return err
		}, s.then(s.sendOne))
	},
	"written by two senders": func(s *sides) {
		other, err := s.b.TrySender()
		require.NoError(s.t, err)
		send := func(tx *channel.Sender) func() error {
			return s.send(func() error { return tx.Send(s.ctx, nil) })
		}
		s.beside(send(s.tx), send(other))
	},
}

// TestUserMistake is run by TestMistakesOfUsersAreReported.
func TestUserMistake(t *testing.T) {
	name := os.Getenv(envMistake)
	run := mistakes[name]
	if run == nil {
		t.Skip("for a process of its own")
	}
	slots := 1
	if name == "written by two senders" {
		slots = 2
	}
	run(newSides(t, channel.Options{Slots: slots}))
}

// TestMistakesOfUsersAreReported: what orders the users' data for the detector must not
// hide their races from it.
func TestMistakesOfUsersAreReported(t *testing.T) {
	shmtest.Watchdog(t, limit)
	for name := range mistakes {
		t.Run(name, func(t *testing.T) {
			out, err := runSelf(t, "^TestUserMistake$", "0", envMistake+"="+name)
			require.Error(t, err)
			require.Contains(t, out, report)
			require.Contains(t, out, "raceorder_test.go")
		})
	}
}

// brokenSteps are changes of the product that put one step out of order.
var brokenSteps = []struct{ how, file, step, broken string }{
	{
		"send", "ring/producer.go",
		"\tcopy(s.bytes(p.payloadOff, len(b)), b)\n\tif p.stamped",
		"\tdefer copy(s.bytes(p.payloadOff, len(b)), b)\n\tif p.stamped",
	},
	{
		"append", "channel/recv.go",
		"\t\tbulk.Copy(dst[before:], m.Bytes())\n",
		"\t\tdefer func() { bulk.Copy(dst[before:], m.Bytes()) }()\n",
	},
}

// TestStepOutOfOrderIsReported builds a program with a broken ring or receiver, and runs it
// on memory that the detector sees. The same program with all steps in order is clean.
func TestStepOutOfOrderIsReported(t *testing.T) {
	shmtest.Watchdog(t, 5*time.Minute)
	shmtest.Dir(t)
	dir := t.TempDir()
	replaced := make(map[string]string)
	for _, b := range brokenSteps {
		file, err := filepath.Abs(filepath.Join("..", b.file))
		require.NoError(t, err)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), b.step), "the step in %s", b.file)
		replaced[file] = filepath.Join(dir, b.how+".go")
		text = []byte(strings.Replace(string(text), b.step, b.broken, 1))
		require.NoError(t, os.WriteFile(replaced[file], text, 0o600))
	}
	text, err := json.Marshal(map[string]any{"Replace": replaced})
	require.NoError(t, err)
	overlay := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, text, 0o600))

	sound, broken := filepath.Join(dir, "sound"), filepath.Join(dir, "broken")
	buildRaced(t, sound)
	buildRaced(t, broken, "-overlay="+overlay)
	for _, b := range brokenSteps {
		out, err := exec.CommandContext(t.Context(), sound, b.how).CombinedOutput()
		require.NoError(t, err, "%s: %s", b.how, out)
		out, err = exec.CommandContext(t.Context(), broken, b.how).CombinedOutput()
		require.Error(t, err, b.how)
		require.Contains(t, string(out), report, b.how)
	}
}

func buildRaced(t *testing.T, program string, flags ...string) {
	t.Helper()
	args := append([]string{"build", "-race", "-o", program}, flags...)
	out, err := exec.CommandContext(t.Context(), "go",
		append(args, "./testdata/raced")...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
