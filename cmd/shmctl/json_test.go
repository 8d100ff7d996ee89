package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/state"
)

// run1 runs one command line in this process and returns its standard output.
func run1(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, getenv: os.Getenv}
	require.Equal(t, exitOK, a.execute(t.Context(), args), "%v: %s", args, &stderr)
	return stdout.String()
}

// fields lists the names of all fields of a JSON text, of objects in lists as "list[].name".
func fields(t *testing.T, text string) []string {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	var names []string
	var walk func(string, any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, value := range v {
				if at != "" {
					name = at + "." + name
				}
				names = append(names, name)
				walk(name, value)
			}
		case []any:
			for _, value := range v {
				walk(at+"[]", value)
			}
		}
	}
	walk("", v)
	slices.Sort(names)
	return slices.Compact(names)
}

// TestJSONFieldsStay compares what scripts depend on with testdata/fields. A field may be
// added there; one that is there may not go or change its name.
func TestJSONFieldsStay(t *testing.T) {
	dir := shmtest.Dir(t)
	outputs := map[string]string{
		"create": run1(t, "create", "q", "--timestamps", "--json"),
	}
	ch, err := channel.Open(t.Context(), "q", channel.OpenOptions{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, ch.Seal("for the history"))
	rx, err := ch.TryReceiver() // to be seen as a participant
	require.NoError(t, err)
	outputs["ls"] = run1(t, "ls", "--json")
	outputs["stat"] = run1(t, "stat", "q", "--json")
	outputs["top"] = run1(t, "top", "--json", "--interval", "50ms")
	outputs["ps"] = run1(t, "ps", "--json")
	doctor, err := json.Marshal(newDoctorJSON([]finding{well("check", "detail")}, nil))
	require.NoError(t, err)
	outputs["doctor"] = string(doctor)
	outputs["latency"] = run1(t, "latency", "-n", "10", "--json")
	outputs["deps"] = run1(t, "deps", "--json")
	outputs["health"] = run1(t, "health", "q", "--samples", "1", "--json")
	require.NoError(t, rx.Close())
	require.NoError(t, ch.Close())
	outputs["close"] = run1(t, "close", "q", "--json")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "shmring.bad"), []byte("x"), 0o600))
	outputs["ls-broken"] = run1(t, "ls", "--json")
	outputs["rm"] = run1(t, "rm", "-f", "bad", "--json")

	run1(t, "create", "q", "--timestamps")
	run1(t, "send", "q", "text", "\xff")
	outputs["peek"] = "[" + strings.ReplaceAll(strings.TrimSpace(
		run1(t, "peek", "q", "--json")), "\n", ",") + "]"
	outputs["dump"] = run1(t, "dump", "q", "--payload", "--json")
	outputs["recv"] = "[" + strings.Join(strings.Split(strings.TrimSpace(
		run1(t, "recv", "q", "--json", "--count", "2")), "\n"), ",") + "]"
	file := filepath.Join(t.TempDir(), "f.rec")
	run1(t, "send", "q", "text")
	run1(t, "record", "q", file, "-n", "1")
	outputs["replay"] = run1(t, "replay", file, "--check", "--json")
	run1(t, "rm", "q")

	run1(t, "create", "q")
	outputs["watch"] = watched(t, "q")
	ch, err = channel.Open(t.Context(), "q", channel.OpenOptions{Dir: dir})
	require.NoError(t, err)
	rx, err = ch.TryReceiver() // else drain would leave without detaching
	require.NoError(t, err)
	outputs["drain"] = run1(t, "drain", "q", "--json")
	require.NoError(t, rx.Close())
	require.NoError(t, ch.Close())
	run1(t, "close", "q")
	outputs["version"] = run1(t, "version", "--json")
	outputs["event-signal"] = "[" + run1(t, "event", "signal", "e", "text", "--json") + "," +
		run1(t, "event", "signal", "e", "\xff", "--json") + "]"
	outputs["event-wait"] = run1(t, "event", "wait", "e", "--since", "0", "--json")
	e, err := channel.OpenEvent(t.Context(), "e", channel.OpenOptions{Dir: dir})
	require.NoError(t, err)
	outputs["event-show"] = run1(t, "event", "show", "e", "--json")
	require.NoError(t, e.Close())
	run1(t, "create", "q")
	outputs["shutdown"] = run1(t, "shutdown", "q", "--json")
	outputs["gc"] = run1(t, "gc", "--persistent", "--json")

	repairs, err := json.Marshal(newRepairsJSON("q", &repairs{
		after:   channel.Stats{Deaths: []channel.Death{{PID: 1}}},
		changes: []state.Transition{{}},
	}))
	require.NoError(t, err)
	outputs["recover"] = string(repairs)

	outputs["bench"] = run1(t, "bench", "--json", "--time", "20ms", "--mode", "roundtrip",
		"--cores", "none")
	outputs["demo"] = run1(t, "demo", "--json", "--source", "testdata", "--senders", "1")

	death, err := json.Marshal(newStatJSON(&view{
		stats: channel.Stats{Deaths: []channel.Death{{PID: 1}}}, err: channel.ErrCorrupt,
		entry: channel.Entry{Err: channel.ErrCorrupt},
	}))
	require.NoError(t, err)
	outputs["stat-death"] = string(death)

	for verb, text := range outputs {
		requireSchema(t, verb, text)
		if *update {
			requireWrite(t, filepath.Join("testdata", "fields", verb+".txt"),
				strings.Join(fields(t, text), "\n")+"\n")
		}
		want, err := os.ReadFile(filepath.Join("testdata", "fields", verb+".txt"))
		require.NoError(t, err)
		assert.Equal(t, strings.Fields(string(want)), fields(t, text), "%s --json", verb)
	}
}

// watched returns the first line that watch prints, as a JSON text.
func watched(t *testing.T, name string) string {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	a := &app{stdin: strings.NewReader(""), stdout: w, stderr: os.Stderr, getenv: os.Getenv}
	code := make(chan int)
	go func() { code <- a.execute(t.Context(), []string{"watch", name, "--json"}) }()
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, exitOK, <-code)
	require.NoError(t, w.Close())
	return line
}
