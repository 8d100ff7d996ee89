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

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
	for verb, v := range map[string]any{"latency": latencyJSON{}, "replay": recordingJSON{}} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		outputs[verb] = string(text)
	}
	outputs["deps"] = run1(t, "deps", "--json")
	outputs["health"] = run1(t, "health", "q", "--samples", "1", "--json")
	require.NoError(t, rx.Close())
	require.NoError(t, ch.Close())
	outputs["close"] = run1(t, "close", "q", "--json")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "shmring.bad"), []byte("x"), 0o600))
	outputs["ls-broken"] = run1(t, "ls", "--json")
	run1(t, "rm", "-f", "bad")

	run1(t, "create", "q", "--timestamps")
	run1(t, "send", "q", "text", "\xff")
	outputs["peek"] = "[" + strings.ReplaceAll(strings.TrimSpace(
		run1(t, "peek", "q", "--json")), "\n", ",") + "]"
	outputs["dump"] = run1(t, "dump", "q", "--payload", "--json")
	outputs["recv"] = "[" + strings.Join(strings.Split(strings.TrimSpace(
		run1(t, "recv", "q", "--json", "--count", "2")), "\n"), ",") + "]"
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

	outputs["bench"] = benchJSON(t)

	death, err := json.Marshal(newStatJSON(&view{
		stats: channel.Stats{Deaths: []channel.Death{{PID: 1}}}, err: channel.ErrCorrupt,
		entry: channel.Entry{Err: channel.ErrCorrupt},
	}))
	require.NoError(t, err)
	outputs["stat-death"] = string(death)

	for verb, text := range outputs {
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

// TestJSONFieldsAreDocumented looks for every field in the manual.
func TestJSONFieldsAreDocumented(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "SHMCTL.md"))
	require.NoError(t, err)
	lists, err := filepath.Glob(filepath.Join("testdata", "fields", "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, lists)
	for _, list := range lists {
		names, err := os.ReadFile(list)
		require.NoError(t, err)
		for _, name := range strings.Fields(string(names)) {
			name = name[strings.LastIndexByte(name, '.')+1:]
			assert.Contains(t, string(manual), "`"+strings.TrimPrefix(name, "[]")+"`", list)
		}
	}
}

func TestTheManualHasEveryVerbFlagAndExitCode(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "SHMCTL.md"))
	require.NoError(t, err)
	for _, cmd := range verbs(newRootCmd(newApp())) {
		use := strings.TrimSuffix(cmd.CommandPath(), cmd.Name()) + cmd.Use
		assert.Contains(t, string(manual), use)
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if !flag.Hidden {
				assert.Contains(t, string(manual), "--"+flag.Name, use)
			}
		})
	}
	for line := range strings.Lines(exitCodesText) {
		if code, _, ok := strings.Cut(strings.TrimPrefix(line, "  "), " "); ok && code != "" &&
			strings.Trim(code, "0123456789") == "" {
			assert.Contains(t, string(manual), "| "+code+" |")
		}
	}
}

// verbs returns every command that a user may give, also those of a command.
func verbs(parent *cobra.Command) []*cobra.Command {
	var found []*cobra.Command
	for _, cmd := range parent.Commands() {
		if cmd.Hidden || !cmd.Runnable() {
			continue
		}
		found = append(found, cmd)
		if cmd.Name() != "completion" { // its shells are not ours
			found = append(found, verbs(cmd)...)
		}
	}
	return found
}

func TestEveryVerbCompletesItsArguments(t *testing.T) {
	for _, cmd := range verbs(newRootCmd(newApp())) {
		assert.NotNil(t, cmd.ValidArgsFunction, cmd.CommandPath())
	}
}

func TestEveryVerbHasAnExampleOfItself(t *testing.T) {
	for _, cmd := range verbs(newRootCmd(newApp())) {
		if cmd.Name() == "completion" { // its help says it
			continue
		}
		assert.Contains(t, cmd.Example, cmd.CommandPath(), cmd.CommandPath())
	}
}
