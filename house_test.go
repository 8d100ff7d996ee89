// Package shmring_test checks the rules of the repository that a program can check.
package shmring_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A goFile is one parsed file of the module.
type goFile struct {
	path string // slash-separated, from the root
	text []byte
	fset *token.FileSet
	ast  *ast.File
}

func (f goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f goFile) dir() string { return filepath.ToSlash(filepath.Dir(f.path)) }

// walk visits every file of the repository that is not hidden or generated output.
func walk(t *testing.T, suffix string, visit func(path string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && path != "."
		if d.IsDir() {
			if hidden || d.Name() == "bin" {
				return filepath.SkipDir
			}
			return nil
		}
		if hidden || !strings.HasSuffix(path, suffix) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(path), text)
		return nil
	})
	require.NoError(t, err)
}

func goFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	walk(t, ".go", func(path string, text []byte) {
		if strings.Contains(path, "testdata/") {
			return
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, goFile{path, text, fset, parsed})
	})
	require.NotEmpty(t, files)
	return files
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	documented := make(map[string]bool)
	for _, f := range goFiles(t) {
		if f.isTest() {
			continue
		}
		documented[f.dir()] = documented[f.dir()] || f.ast.Doc.Text() != ""
	}
	for dir, ok := range documented {
		assert.True(t, ok, "package in %s has no comment", dir)
	}
}

// arrows lists what each package of the core may import of the module.
var arrows = map[string][]string{
	"internal/layout":   {},
	"internal/bulk":     {},
	"internal/race":     {},
	"internal/fault":    {},
	"internal/shmtest":  {"internal/layout"},
	"internal/evidence": {},
	"internal/history":  {"internal/layout"},
	"futex":             {"internal/fault", "internal/layout", "internal/race"},
	"state":             {"futex", "internal/fault", "internal/layout", "internal/race"},
	"shm":               {"internal/fault", "internal/layout", "internal/race"},
	"ring": {
		"futex", "internal/bulk", "internal/fault", "internal/layout", "internal/race",
	},
	"channel": {
		"futex", "internal/bulk", "internal/fault", "internal/layout", "internal/race",
		"ring", "shm", "state",
	},
	"manager": {
		"channel", "futex", "internal/fault", "internal/layout", "internal/race", "ring", "shm",
		"state",
	},
	"link": {"channel", "manager", "state"},
}

func TestImportsPointDown(t *testing.T) {
	for _, f := range goFiles(t) {
		allowed, core := arrows[f.dir()]
		if !core || f.isTest() {
			continue
		}
		for _, spec := range f.ast.Imports {
			path, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), "shmring/")
			if ours {
				assert.Contains(t, allowed, path, "%s may not import it", f.path)
			}
		}
	}
}

func TestCoreDependsOnThreeModulesOnly(t *testing.T) {
	for dir := range arrows {
		if dir == "internal/shmtest" {
			continue
		}
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		out, err := exec.Command("go", "list", "-deps", "-f",
			"{{with .Module}}{{.Path}}{{end}}", "./"+dir).Output()
		require.NoError(t, err)
		for _, module := range slices.Compact(slices.Sorted(slices.Values(
			strings.Fields(string(out))))) {
			assert.Contains(t, []string{
				"shmring", "golang.org/x/sys", "github.com/edsrzf/mmap-go",
				"github.com/cespare/xxhash/v2",
			}, module, "%s depends on it", dir)
		}
	}
}

func TestUnsafeLivesInFilesThatSaySo(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.isTest() || strings.HasSuffix(f.path, "_unsafe.go") {
			continue
		}
		for _, spec := range f.ast.Imports {
			assert.NotEqual(t, `"unsafe"`, spec.Path.Value, f.path)
		}
	}
}

var (
	syncLabel = regexp.MustCompile(`// sync: ([a-z-]+)`)
	publishes = regexp.MustCompile(`\.(Store|CompareAndSwap|Swap|Add|Or|And)\(|` +
		`\*\(\*uint(32|64)\)|\bstoreIntent\(`)
	observes = regexp.MustCompile(`\.(Load|CompareAndSwap|Swap|Add|Or|And)\(|\bSample\(`)
)

// TestSyncLabelsStandOnBothSides finds an access that publishes to nobody, or observes
// what nobody publishes.
func TestSyncLabelsStandOnBothSides(t *testing.T) {
	type sides struct{ publish, observe []string }
	labels := make(map[string]*sides)
	for _, f := range goFiles(t) {
		if f.isTest() {
			continue
		}
		for i, line := range strings.Split(string(f.text), "\n") {
			m := syncLabel.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			where := fmt.Sprintf("%s:%d", f.path, i+1)
			s := labels[m[1]]
			if s == nil {
				s = new(sides)
				labels[m[1]] = s
			}
			pub, obs := publishes.MatchString(line), observes.MatchString(line)
			assert.True(t, pub || obs, "%s: a label beside no atomic access", where)
			if pub {
				s.publish = append(s.publish, where)
			}
			if obs {
				s.observe = append(s.observe, where)
			}
		}
	}
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		s := labels[label]
		assert.NotEmpty(t, s.publish, "nobody publishes %q, observed at %v", label, s.observe)
		assert.NotEmpty(t, s.observe, "nobody observes %q, published at %v", label, s.publish)
	}
}

// Limits of size: beyond them a file or a function is asked why.
const (
	maxFileLines = 300
	maxFuncLines = 70
	maxColumns   = 100
)

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.isTest() {
			continue
		}
		lines := strings.Count(string(f.text), "\n")
		assert.LessOrEqual(t, lines, maxFileLines, f.path)
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			length := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line
			assert.LessOrEqual(t, length, maxFuncLines, "%s: %s", f.path, fn.Name)
		}
	}
}

var markdownLink = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)

func TestDocumentLinksLeadSomewhere(t *testing.T) {
	walk(t, ".md", func(path string, text []byte) {
		for _, m := range markdownLink.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			_, err := os.Stat(filepath.Join(filepath.Dir(path), m[1]))
			assert.NoError(t, err, "%s links to it", path)
		}
	})
}

// TestNothingIsLeftForLater looks for marks of unfinished work and for paths of
// somebody's machine.
// TestEveryTestNamedInTheDocumentsExists keeps the pages that rest on tests true.
func TestEveryTestNamedInTheDocumentsExists(t *testing.T) {
	have := make(map[string]bool)
	for _, f := range goFiles(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.isTest() {
				have[fn.Name.Name] = true
			}
		}
	}
	name := regexp.MustCompile(`\b(Test|Fuzz)[A-Z][A-Za-z0-9]*`)
	walk(t, ".md", func(path string, text []byte) {
		if path == "CONTRIBUTING.md" { // its examples are invented
			return
		}
		for _, n := range name.FindAllString(string(text), -1) {
			assert.True(t, have[n] || n == "TestMain", "%s names %s, which does not exist", path, n)
		}
	})
}

func TestNothingIsLeftForLater(t *testing.T) {
	marks := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b|/ho` + `me/|/wo` + `rk/`)
	for _, suffix := range []string{".go", ".md", ".pml", ".sh", "Makefile", ".yml", ".txtar"} {
		walk(t, suffix, func(path string, text []byte) {
			for i, line := range strings.Split(string(text), "\n") {
				assert.False(t, marks.MatchString(line), "%s:%d: %s", path, i+1, line)
			}
		})
	}
}

// TestSixFilesLeadFromSendToRecv keeps the way that README shows to a reader true.
func TestSixFilesLeadFromSendToRecv(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, way, ok := strings.Cut(string(readme), "Reading the source")
	require.True(t, ok)
	way, _, _ = strings.Cut(way, "\n\n")
	files := regexp.MustCompile("`([a-z_/]+\\.go)`").FindAllStringSubmatch(way, -1)
	require.Len(t, files, 6)
	for _, m := range files {
		_, err := os.Stat(m[1])
		assert.NoError(t, err)
	}
}
