package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

// withoutGolden are verbs whose output no script compares with a golden text, and why.
var withoutGolden = map[string]string{
	"completion bash":       "the script is cobra's; complete.txtar compares what it offers",
	"completion zsh":        "the same",
	"completion fish":       "the same",
	"completion powershell": "the same",
}

// TestEveryVerbHasAGoldenText looks in the scripts for a comparison of what each verb prints.
func TestEveryVerbHasAGoldenText(t *testing.T) {
	compared := comparedCommands(t)
	for _, cmd := range verbs(newRootCmd(newApp())) {
		verb := strings.TrimPrefix(cmd.CommandPath(), "shmctl ")
		has := slices.ContainsFunc(compared, func(line string) bool {
			return regexp.MustCompile(`\bshmctl ` + verb + `\b`).MatchString(line)
		})
		assert.NotEqual(t, has, withoutGolden[verb] != "", verb)
	}
}

// comparedCommands returns the commands of the scripts whose output is compared.
func comparedCommands(t *testing.T) []string {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	require.NoError(t, err)
	var compared []string
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		require.NoError(t, err)
		commands, _, _ := strings.Cut(string(text), "\n-- ")
		last := ""
		for line := range strings.Lines(commands) {
			switch word, _, _ := strings.Cut(line, " "); strings.TrimSpace(word) {
			case "exec", "exits":
				last = line
			case "cmp":
				compared = append(compared, last)
			}
		}
	}
	require.NotEmpty(t, compared)
	return compared
}

// pipedLines are command lines of every verb, in an order in which they have something to show.
const pipedLines = `create q --slots 4
create r
send q one two
ls
stat q
ps
health
top --once --interval 50ms
doctor
peek q
dump q --payload
deps add q r
deps
deps rm q r
recv q -n 1
record q FILE -n 1
replay FILE --check
recover q
watch q --dir nowhere
drain q
close q --force
shutdown r
event signal e x
event wait e --since 0
event show e
gc -n
rm e
latency -n 3
bench --time 5ms --cores none
demo --source testdata/fields --senders 1
version
completion
completion bash
completion zsh
completion fish
completion powershell
help
no-such-verb
recv q --no-such-flag`

// TestNoVerbWritesEscapesIntoAPipe has a terminal's environment and pipes.
func TestNoVerbWritesEscapesIntoAPipe(t *testing.T) {
	shmtest.Dir(t)
	for name, value := range map[string]string{
		"TERM": "xterm-256color", "COLORTERM": "truecolor", "CLICOLOR": "1", "NO_COLOR": "",
	} {
		t.Setenv(name, value)
	}
	file := filepath.Join(t.TempDir(), "f.rec")
	run := func(args ...string) {
		out, err := exec.Command("shmctl", args...).CombinedOutput()
		if err != nil {
			require.ErrorAs(t, err, new(*exec.ExitError)) // some fail, in words
		}
		assert.NotContains(t, string(out), "\x1b", args)
	}
	for line := range strings.Lines(pipedLines) {
		run(strings.Fields(strings.ReplaceAll(line, "FILE", file))...)
	}
	for _, cmd := range verbs(newRootCmd(newApp())) {
		verb := strings.TrimPrefix(cmd.CommandPath(), "shmctl ")
		run(append(strings.Fields(verb), "--help")...)
		assert.Regexp(t, `(?m)^`+verb+`\b`, pipedLines)
	}
}
