//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// Dir is where mutants are, from the root of the module.
const mutantDir = "testdata/mutants"

// instead names the section with the new text of the section before.
const instead = "instead"

// A mutant is one broken rule.
type mutant struct {
	id    string // M01
	name  string // of its file, without the suffix
	rule  string
	model string // variant of a model that breaks the rule too: ring -DSEAL_APART
	note  string
	tags  string
	race  bool
	tests []test
	edits []edit
}

// A test has to fail when a mutant is there.
type test struct{ pkg, name string }

func (t test) String() string { return t.pkg + " " + t.name }

// An edit replaces lines of a file.
type edit struct{ file, old, text string }

// load reads all mutants in the order of their names.
func load(root string) ([]mutant, error) {
	paths, err := filepath.Glob(filepath.Join(root, mutantDir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			return nil, err
		}
		m, err := parse(strings.TrimSuffix(filepath.Base(path), ".txtar"), archive)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, m)
	}
	return all, nil
}

func parse(name string, archive *txtar.Archive) (mutant, error) {
	m := mutant{name: name}
	m.id, _, _ = strings.Cut(name, "-")
	for line := range strings.Lines(string(archive.Comment)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			return m, fmt.Errorf("line %q is not key: value", line)
		}
		switch key {
		case "rule":
			m.rule = value
		case "model":
			m.model = value
		case "note":
			m.note = value
		case "tags":
			m.tags = value
		case "race":
			m.race = value == "yes"
		case "test":
			pkg, test1, ok := strings.Cut(value, " ")
			if !ok {
				return m, fmt.Errorf("test %q is not a package and a name", value)
			}
			m.tests = append(m.tests, test{pkg, test1})
		default:
			return m, fmt.Errorf("unknown key %q", key)
		}
	}
	for i := 0; i < len(archive.Files); i += 2 {
		if i+1 == len(archive.Files) || archive.Files[i+1].Name != instead {
			return m, fmt.Errorf("after %s comes no -- %s --", archive.Files[i].Name, instead)
		}
		m.edits = append(m.edits, edit{
			archive.Files[i].Name, string(archive.Files[i].Data), string(archive.Files[i+1].Data),
		})
	}
	return m, m.check()
}

func (m *mutant) check() error {
	switch {
	case m.rule == "":
		return errors.New("it breaks no rule")
	case len(m.edits) == 0 && m.note == "" && m.model == "":
		return errors.New("it changes nothing and does not say why")
	case (len(m.edits) == 0) != (len(m.tests) == 0):
		return errors.New("a change needs a test, and a test a change")
	}
	return nil
}

// apply returns the changed text of each file that the mutant changes.
func (m *mutant) apply(root string) (map[string]string, error) {
	files := make(map[string]string)
	for _, e := range m.edits {
		text, ok := files[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
		// Whole lines: the text before the old one ends a line.
		whole := "\n" + text
		if n := count(whole, "\n"+e.old); e.old == "" || n != 1 {
			return nil, fmt.Errorf("%s: its old text stands %d times in %s, not once:\n%s",
				m.name, n, e.file, e.old)
		}
		files[e.file] = strings.Replace(whole, "\n"+e.old, "\n"+e.text, 1)[1:]
	}
	return files, nil
}

// count returns how often part stands in text; the last line end of one may begin the next.
func count(text, part string) int {
	n := 0
	for i := range text {
		if strings.HasPrefix(text[i:], part) {
			n++
		}
	}
	return n
}
