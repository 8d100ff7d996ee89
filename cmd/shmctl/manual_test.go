package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	require.NoError(t, err)
	return string(text)
}

func requireWrite(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// requireSchema compares real output of a verb with what is documented of it.
func requireSchema(t *testing.T, name, text string) {
	t.Helper()
	assert.NotContains(t, text, "null", "%s: a list that is empty is []", name)
	verb, _, _ := strings.Cut(strings.ReplaceAll(name, "event-", "event "), "-")
	at := slices.IndexFunc(schemas, func(s schema) bool { return s.verb == verb })
	require.GreaterOrEqual(t, at, 0, "%s --json is not documented", verb)
	s := schemas[at]
	list := ""
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		list = "[]." // or several objects, that the test put together
	}
	var documented []string
	have := fields(t, text)
	for _, f := range fieldsOf(s.of, true) {
		documented = append(documented, list+f.path)
		if !f.optional && !strings.Contains(f.path, "[].") {
			assert.Contains(t, have, list+f.path, "%s --json is documented to have it", name)
		}
	}
	assert.Subset(t, documented, have, "%s --json has what is not documented", name)
}

// TestEveryVerbHasJSONOrAReason compares the flags with the two lists of the manual.
func TestEveryVerbHasJSONOrAReason(t *testing.T) {
	var with, without []string
	for _, s := range schemas {
		with = append(with, "shmctl "+s.verb)
	}
	for _, w := range withoutJSON {
		without = append(without, "shmctl "+w.verb)
	}
	for _, cmd := range verbs(newRootCmd(newApp())) {
		switch path := cmd.CommandPath(); {
		case cmd.Flags().Lookup("json") != nil:
			assert.Contains(t, with, path)
		case cmd.HasSubCommands(), isCompletion(cmd): // they are verbs below
		default:
			assert.Contains(t, without, path)
		}
	}
}

func isCompletion(cmd *cobra.Command) bool {
	return strings.HasPrefix(cmd.CommandPath(), "shmctl completion")
}

// TestTheReferenceIsWhatTheCommandsSay: go test ./cmd/shmctl -run Reference -update, or make
// reference, writes it anew.
func TestTheReferenceIsWhatTheCommandsSay(t *testing.T) {
	if *update {
		docs := filepath.Join("..", "..", "docs")
		require.NoError(t, writeReference(newRootCmd(newApp()), docs))
	}
	want, err := reference(newRootCmd(newApp()))
	require.NoError(t, err)
	assert.Equal(t, want, document(t, "CLI.md"), "run make reference")
	manual := document(t, "SHMCTL.md")
	whole, err := withJSONManual(manual)
	require.NoError(t, err)
	assert.Equal(t, whole, manual, "run make reference")
	_, err = withJSONManual("without marks")
	require.Error(t, err)
}

func TestTheManualHasEveryVerbFlagAndExitCode(t *testing.T) {
	manual := document(t, "SHMCTL.md")
	for _, cmd := range verbs(newRootCmd(newApp())) {
		use := strings.TrimSuffix(cmd.CommandPath(), cmd.Name()) + cmd.Use
		assert.Contains(t, manual, use)
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if !flag.Hidden {
				assert.Contains(t, manual, "--"+flag.Name, use)
			}
		})
	}
	for line := range strings.Lines(exitCodesText) {
		if code, _, ok := strings.Cut(strings.TrimPrefix(line, "  "), " "); ok && code != "" &&
			strings.Trim(code, "0123456789") == "" {
			assert.Contains(t, manual, "| "+code+" |")
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
		found = append(append(found, cmd), verbs(cmd)...)
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
		assert.Contains(t, cmd.Example, cmd.CommandPath(), cmd.CommandPath())
	}
}

// firstArguments are what verbs want before they look for the directory.
var firstArguments = map[string][]string{
	"create": {"q"}, "send": {"q", "x"}, "recv": {"q"}, "close": {"q"}, "stat": {"q"},
	"rm": {"q"}, "drain": {"q"}, "recover": {"q"}, "watch": {"q"}, "peek": {"q"}, "dump": {"q"},
	"record": {"q", "f"}, "replay": {"f", "q"}, "deps add": {"a", "b"}, "deps rm": {"a", "b"},
	"shutdown": {"q"}, "event signal": {"e"}, "event wait": {"e"}, "event show": {"e"},
}

// TestEveryVerbTakesTheDirectoryOfSegments: the flag is one for all, and none is hidden by
// another flag of its name.
func TestEveryVerbTakesTheDirectoryOfSegments(t *testing.T) {
	shmtest.Dir(t)
	root := newRootCmd(newApp())
	for _, cmd := range verbs(root) {
		require.NoError(t, cmd.ParseFlags(nil)) // flags of the parents are known from here on
		assert.Same(t, root.PersistentFlags().Lookup("dir"), cmd.Flags().Lookup("dir"),
			cmd.CommandPath())
		if aboutProgram(cmd) || !cmd.HasParent() {
			continue
		}
		var stderr strings.Builder
		a := &app{
			stdin: strings.NewReader(""), stdout: &strings.Builder{}, stderr: &stderr,
			getenv: func(string) string { return "" },
		}
		args := strings.Fields(strings.TrimPrefix(cmd.CommandPath(), "shmctl "))
		args = append(args, firstArguments[strings.Join(args, " ")]...)
		code := a.execute(t.Context(), append(args, "--dir", "nowhere"))
		want := exitUsage
		if cmd.Name() == healthVerb {
			want = checkUnknown
		}
		assert.Equal(t, want, code, "%v: %s", args, &stderr)
		assert.Contains(t, stderr.String(), "directory of segments", args)
	}
}
