package shmring_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

// A docBlock is a block of a document that shows shmctl: how it is run, or why not.
type docBlock struct {
	file, first string // its document, how its first line begins
	notRun      string // why not
	shell       string // empty: sh
	before      string // what it needs
	dots        string // what stands where it says …
	behind      bool   // its command runs in the background
	after       string
	same        bool // it prints what the document shows
}

var docBlocks = []docBlock{
	{
		file: "README.md", first: "$ go run ./cmd/shmctl demo",
		notRun: "TestTheCommandsOfTheReadmeWork knows both; .ci/run runs them",
	},
	{
		file: "README.md", first: "$ shmctl recv q --lines > out &",
		after: `wait; test "$(tail -n 1 out)" = 1000000`,
	},
	{
		file: "docs/OPERATIONS.md", first: "$ shmctl ls ",
		before: "shmctl create q > made", after: "shmctl rm q",
	},
	{
		file: "docs/OPERATIONS.md", first: "$ shmctl close q --reason",
		before: "shmctl create q > made",
	},
	{
		file: "docs/SHMCTL.md", first: "$ shmctl recv q --lines > out &",
		after: `wait; test "$(tail -n 1 out)" = 1000000`,
	},
	{
		file: "docs/SHMCTL.md", first: "while line=$(shmctl recv q --count 1)",
		before: "shmctl send q a b --seal", dots: `echo "$line" >> got`,
		after: `test "$(cat got)" = "$(printf 'a\nb')"`,
	},
	{
		file: "docs/SHMCTL.md", first: "$ shmctl watch q",
		before: "shmctl create q > made", behind: true,
		after: "until grep -q ACTIVE out; do sleep 0.02; done; shmctl close q > closed; wait\n" +
			"grep -q CLOSED out",
	},
	{
		file: "docs/SHMCTL.md", first: "seq=0",
		before: "shmctl event signal config a > made; shmctl event signal config b > made",
		dots:   `[ "$seq" -lt 2 ] || break`, after: `test "$seq" = 2; shmctl rm config`,
	},
	{file: "docs/SHMCTL.md", first: "$ shmctl health"},
	{
		file: "docs/SHMCTL.md", first: "$ shmctl ps",
		before: "shmctl create tokens > made", after: "shmctl rm tokens",
	},
	{
		file: "docs/SHMCTL.md", first: "shmctl top - 2 channels",
		notRun: "a screen of top, which the tests of top draw",
	},
	{
		file: "docs/SHMCTL.md", first: "$ shmctl deps add requests tokens",
		before: "shmctl create requests > made; shmctl create tokens > made",
		after:  "shmctl rm requests tokens", same: true,
	},
	{
		file: "docs/SHMCTL.md", first: "$ shmctl shutdown tokens",
		before: "shmctl create requests > made; shmctl create tokens > made\n" +
			"shmctl deps add requests tokens > made",
	},
	{file: "docs/SHMCTL.md", first: "source <(shmctl completion bash)", shell: "bash"},
}

// TestBlocksThatShowShmctlWork runs every block of the documents that shows commands of shmctl,
// in a directory of segments of its own, which it must leave empty.
func TestBlocksThatShowShmctlWork(t *testing.T) {
	bin := t.TempDir()
	out, err := command(t, ".", "go", "build", "-o", filepath.Join(bin, "shmctl"),
		"./cmd/shmctl").CombinedOutput()
	require.NoError(t, err, "%s", out)
	found := 0
	for _, file := range []string{"README.md", "docs/OPERATIONS.md", "docs/SHMCTL.md"} {
		text, err := os.ReadFile(filepath.FromSlash(file))
		require.NoError(t, err)
		for _, text := range fenced(string(text)) {
			if !strings.Contains(text, "shmctl") {
				continue
			}
			at := slices.IndexFunc(docBlocks, func(b docBlock) bool {
				return b.file == file && strings.HasPrefix(text, b.first)
			})
			if assert.GreaterOrEqual(t, at, 0, "%s: how is it run, or why not?\n%s", file, text) {
				found++
				docBlocks[at].run(t, bin, text)
			}
		}
	}
	assert.Len(t, docBlocks, found, "one of them is in no document any more")
}

// fenced returns the blocks of a document that a shell or nobody reads.
func fenced(text string) []string {
	var blocks []string
	for i, part := range strings.Split("\n"+text, "\n```") {
		language, block, _ := strings.Cut(part, "\n")
		if i%2 == 1 && slices.Contains([]string{"console", "sh", ""}, language) {
			blocks = append(blocks, block+"\n")
		}
	}
	return blocks
}

// run runs the commands of a block.
func (b docBlock) run(t *testing.T, bin, text string) {
	t.Helper()
	if b.notRun != "" {
		return
	}
	shell := b.shell
	if shell == "" {
		shell = "sh"
	}
	if _, err := exec.LookPath(shell); err != nil {
		t.Logf("%s: no %s here", b.first, shell)
		return
	}
	dir := shmtest.Dir(t)
	cmd := command(t, t.TempDir(), shell, "-e", "-c", b.script(text))
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	var said strings.Builder
	cmd.Stderr = &said
	printed, err := cmd.Output()
	require.NoError(t, err, "%s: %s: %s%s", b.file, text, printed, &said)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, text)
	if b.same {
		assert.Equal(t, shown(text), string(printed), text)
	}
}

// script is the commands of a block between what they need.
func (b docBlock) script(text string) string {
	lines := []string{b.before}
	console := strings.HasPrefix(text, "$ ")
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		line, prompt := strings.CutPrefix(line, "$ ")
		line, _, _ = strings.Cut(line, "  # ")
		switch {
		case console && !prompt: // what it prints
			continue
		case b.behind:
			line += " > out &"
		case strings.HasPrefix(line, "shmctl doctor"):
			line += " || [ $? = 10 ]" // the machine has its warnings
		case strings.Contains(line, "| jq "):
			line = "if command -v jq > found; then " + line + "; fi"
		}
		lines = append(lines, strings.ReplaceAll(line, "…", b.dots))
	}
	return strings.Join(append(lines, b.after), "\n")
}

// shown is what a block says that its commands print.
func shown(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "$ ") {
			out.WriteString(line)
		}
	}
	return out.String()
}
