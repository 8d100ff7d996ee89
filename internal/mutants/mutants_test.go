//go:build linux

package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mutants(t *testing.T) (string, []mutant) {
	t.Helper()
	root, err := moduleRoot()
	require.NoError(t, err)
	all, err := load(root)
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return root, all
}

// A mutant whose old text is gone would rot unseen.
func TestEveryMutantFitsTheSource(t *testing.T) {
	root, all := mutants(t)
	for _, m := range all {
		files, err := m.apply(root)
		require.NoError(t, err)
		for name, text := range files {
			before, err := os.ReadFile(filepath.Join(root, name))
			require.NoError(t, err)
			assert.NotEqual(t, string(before), text, m.name)
			_, err = parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
			assert.NoError(t, err, m.name)
		}
	}
}

func TestEveryMutantNamesTestsThatExist(t *testing.T) {
	root, all := mutants(t)
	declared := make(map[string]string)
	for _, m := range all {
		for _, x := range m.tests {
			if declared[x.pkg] == "" {
				paths, err := filepath.Glob(filepath.Join(root, x.pkg, "*_test.go"))
				require.NoError(t, err)
				var all strings.Builder
				for _, path := range paths {
					text, err := os.ReadFile(path)
					require.NoError(t, err)
					all.Write(text)
				}
				declared[x.pkg] = all.String()
			}
			found := strings.Contains(declared[x.pkg], "\nfunc "+base(x.name)+"(")
			assert.True(t, found, "%s: there is no %s", m.name, x)
		}
	}
}

// The models that mutants name have the variant.
func TestEveryMutantNamesVariantsThatExist(t *testing.T) {
	root, all := mutants(t)
	for _, m := range all {
		if m.model == "" {
			continue
		}
		name, variant, ok := strings.Cut(m.model, " ")
		require.True(t, ok, m.name)
		text, err := os.ReadFile(filepath.Join(root, "docs/model", name+".pml"))
		require.NoError(t, err, m.name)
		line := regexp.MustCompile(`(?m)^ \* run: .*` + regexp.QuoteMeta(variant) + `\b`)
		assert.True(t, line.Match(text), "%s: there is no %s", m.name, m.model)
	}
}

// All mutants of the plan are there.
func TestNoMutantIsMissing(t *testing.T) {
	_, all := mutants(t)
	have := make(map[string]bool)
	for _, m := range all {
		have[m.id] = true
	}
	for n := range 28 {
		assert.True(t, have[planned(n+1)], planned(n+1))
	}
}

func TestTableListsEveryMutant(t *testing.T) {
	root, all := mutants(t)
	text, err := os.ReadFile(filepath.Join(root, tableFile))
	require.NoError(t, err)
	for _, m := range all {
		listed := strings.Contains(string(text), m.row()) // not Contains: it would print the table
		assert.True(t, listed, "%s: run make mutants", m.name)
	}
	assert.Equal(t, len(all), strings.Count(string(text), "\n| M")+strings.Count(string(text),
		"\n| R"), "run make mutants")
}

func TestMutantsThatAreNone(t *testing.T) {
	for name, text := range map[string]string{
		"no rule":       "tags: fault\n",
		"no change":     "rule: a\n",
		"no test":       "rule: a\n-- f --\nx\n-- instead --\ny\n",
		"no new text":   "rule: a\ntest: ring TestX\n-- f --\nx\n",
		"unknown key":   "rule: a\nwhat: b\n",
		"half a test":   "rule: a\ntest: ring\n-- f --\nx\n-- instead --\ny\n",
		"no key at all": "rule: a\nb\n",
	} {
		_, err := parse("X01-x", archive(text))
		require.Error(t, err, name)
	}
	const whole = "rule: a\ntest: ring TestX/y z\n-- f --\nx\n-- instead --\ny\n"
	m, err := parse("X01-x", archive(whole))
	require.NoError(t, err)
	assert.Equal(t, "^TestX$/^y z$", pattern(m.tests[0].name))
}

func TestOldTextMustStandOnce(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), []byte("ax\nx\nb\n"), 0o600))
	once := mutant{edits: []edit{{"f", "x\n", "y\n"}}}
	files, err := once.apply(dir)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"f": "ax\ny\nb\n"}, files)
	none := mutant{edits: []edit{{"f", "c\n", "y\n"}}}
	_, err = none.apply(dir)
	require.ErrorContains(t, err, "stands 0 times")
	both := mutant{edits: []edit{{"f", "x\n", "b\n"}, {"f", "b\n", ""}}}
	_, err = both.apply(dir)
	require.ErrorContains(t, err, "stands 2 times")
}

func planned(n int) string { return fmt.Sprintf("M%02d", n) }

func archive(text string) *txtar.Archive { return txtar.Parse([]byte(text)) }
