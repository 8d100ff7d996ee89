package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
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
	require.NoError(t, rx.Close())
	require.NoError(t, ch.Close())
	outputs["close"] = run1(t, "close", "q", "--json")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "shmring.bad"), []byte("x"), 0o600))
	outputs["ls-broken"] = run1(t, "ls", "--json")
	run1(t, "rm", "-f", "bad")

	run1(t, "create", "q", "--timestamps")
	run1(t, "send", "q", "text", "\xff")
	outputs["recv"] = "[" + strings.Join(strings.Split(strings.TrimSpace(
		run1(t, "recv", "q", "--json", "--count", "2")), "\n"), ",") + "]"
	run1(t, "rm", "q")

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
	for _, cmd := range newRootCmd(newApp()).Commands() {
		if cmd.Hidden || !cmd.Runnable() || cmd.Name() == "demo" {
			continue
		}
		assert.Contains(t, string(manual), "shmctl "+cmd.Use)
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			assert.Contains(t, string(manual), "--"+flag.Name, cmd.Name())
		})
	}
	for line := range strings.Lines(exitCodesText) {
		if code, _, ok := strings.Cut(strings.TrimPrefix(line, "  "), " "); ok && code != "" &&
			strings.Trim(code, "0123456789") == "" {
			assert.Contains(t, string(manual), "| "+code+" |")
		}
	}
}
