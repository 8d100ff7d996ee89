package shmring_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

// trimmed returns the lines of a text without indentation, and without empty ones.
func trimmed(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// functionText returns the source of a function.
func functionText(t *testing.T, file, name string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, text, 0)
	require.NoError(t, err)
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == name {
			return string(text[fset.Position(f.Pos()).Offset:fset.Position(f.End()).Offset])
		}
	}
	t.Fatalf("%s has no %s", file, name)
	return ""
}

// TestTheTourIsLinesOfExamples looks for each line of docs/TOUR.md in the example that its
// section names: the lines must be there, in that order.
func TestTheTourIsLinesOfExamples(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("docs", "TOUR.md"))
	require.NoError(t, err)
	title := regexp.MustCompile(`^.*: (\S+_test\.go) (Example\w*)$`)
	snippets := 0
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		head, body, _ := strings.Cut(section, "\n")
		_, code, found := strings.Cut(body, "```go\n")
		if !found {
			continue
		}
		code, _, found = strings.Cut(code, "```")
		require.True(t, found, head)
		where := title.FindStringSubmatch(head)
		require.NotNil(t, where, "%q names no example", head)
		have := trimmed(functionText(t, filepath.FromSlash(where[1]), where[2]))
		for _, line := range trimmed(code) {
			line = strings.TrimSuffix(line, " … }") // the handling of an error
			for len(have) > 0 && have[0] != line {
				have = have[1:]
			}
			assert.NotEmpty(t, have, "%s: not there, or not in that order: %s", head, line)
		}
		snippets++
	}
	assert.Positive(t, snippets)
}

// TestTheCommandsOfTheReadmeWork runs those of shmctl, and looks for the others.
func TestTheCommandsOfTheReadmeWork(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	makefile, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	bin := t.TempDir()
	out, err := command(t, ".", "go", "build", "-o", filepath.Join(bin, "shmctl"),
		"./cmd/shmctl").CombinedOutput()
	require.NoError(t, err, "%s", out)
	ran := 0
	for _, block := range strings.Split(string(text), "```console\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		var script []string
		for _, line := range trimmed(block) {
			line, found := strings.CutPrefix(line, "$ ")
			line, _, _ = strings.Cut(line, "  #")
			target, make := strings.CutPrefix(strings.TrimSpace(line), "make ")
			switch {
			case !found: // what it prints
			case make:
				assert.Contains(t, string(makefile), "\n"+target+":", line)
			case strings.HasPrefix(line, "go run ./"):
				assert.DirExists(t, strings.Fields(line)[2], line)
			default:
				script = append(script, line)
			}
		}
		if len(script) > 0 {
			readmeScript(t, bin, strings.Join(script, "\n")+"\nwait\n")
			ran++
		}
	}
	assert.Positive(t, ran)
}

// readmeScript runs commands with shmctl and a directory of segments of their own.
func readmeScript(t *testing.T, bin, script string) {
	t.Helper()
	dir := shmtest.Dir(t)
	cmd := command(t, t.TempDir(), "sh", "-e", "-c", script)
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", script, out)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, script)
	if _, err := exec.LookPath("seq"); err == nil && strings.Contains(script, "> out") {
		got, err := os.ReadFile(filepath.Join(cmd.Dir, "out"))
		require.NoError(t, err)
		assert.Equal(t, 1_000_000, strings.Count(string(got), "\n"))
	}
}
