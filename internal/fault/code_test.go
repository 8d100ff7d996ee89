//go:build !fault && !race

package fault

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
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

// pointed are the packages that have fault points.
var pointed = []string{"ring", "futex", "state", "shm", "channel"}

// TestPointsLeaveNoTraceInAnOrdinaryBuild compiles the packages as they are and once more
// from sources without any call of this package, and compares the machine code function by
// function. The same instructions must be there. Nearly all functions are the same byte for
// byte; in some runs a few differ in a register or in the order of two moves, since among
// equals the compiler goes by positions in the sources. Those are told.
func TestPointsLeaveNoTraceInAnOrdinaryBuild(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("this test compiles: there is no go command")
	}
	overlay := stripped(t)
	with, without := compiled(t), compiled(t, "-overlay", overlay)
	same := 0
	for _, pkg := range pointed {
		a, b := disassembled(t, with["shmring/"+pkg]), disassembled(t, without["shmring/"+pkg])
		require.NotEmpty(t, a)
		require.Len(t, b, len(a), "functions of %s", pkg)
		for name, code := range a {
			bare, ok := b[name]
			if !assert.True(t, ok, "%s exists for its fault point only", name) {
				continue
			}
			assert.NotContains(t, strings.Join(code, "\n"), "shmring/internal/fault", name)
			if slices.Equal(code, bare) {
				same++
				continue
			}
			t.Logf("%s: %d instructions, other registers or another order", name, len(code))
			assert.Equal(t, opcodes(bare), opcodes(code), name)
		}
	}
	t.Logf("%d functions are the same byte for byte", same)
	assert.Greater(t, same, 1000)
}

// stripped writes copies of all sources that have points, without them, and returns an
// overlay for the compiler. Every other byte stays on its line.
func stripped(t *testing.T) string {
	t.Helper()
	scratch := t.TempDir()
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	for _, pkg := range pointed {
		files, err := filepath.Glob(filepath.Join("..", "..", pkg, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			bare, changed := strip(t, text)
			if !changed {
				continue
			}
			path, err := filepath.Abs(file)
			require.NoError(t, err)
			copied := filepath.Join(scratch, pkg+"_"+filepath.Base(file))
			require.NoError(t, os.WriteFile(copied, bare, 0o600))
			overlay.Replace[path] = copied
		}
	}
	require.NotEmpty(t, overlay.Replace)
	text, err := json.Marshal(overlay)
	require.NoError(t, err)
	path := filepath.Join(scratch, "overlay.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// strip blanks every statement that calls this package.
func strip(t *testing.T, text []byte) (bare []byte, changed bool) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", text, 0)
	require.NoError(t, err)
	bare = bytes.Clone(text)
	blank := func(n ast.Node) {
		for i := fset.Position(n.Pos()).Offset; i < fset.Position(n.End()).Offset; i++ {
			if bare[i] != '\n' {
				bare[i] = ' '
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ExprStmt:
			if calls(n.X, "Point") {
				blank(n)
			}
		case *ast.IfStmt:
			if init, ok := n.Init.(*ast.AssignStmt); ok && calls(init.Rhs[0], "Err") {
				blank(n)
			}
		}
		return true
	})
	changed = !bytes.Equal(bare, text)
	require.NotRegexp(t, `fault\.(Point|Err)\(`, string(bare))
	path := []byte(`"shmring/internal/fault"`)
	return bytes.Replace(bare, path, append([]byte("_ "), path...), 1), changed
}

// calls reports whether e is a call of a function of this package.
func calls(e ast.Expr, name string) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := f.X.(*ast.Ident)
	return ok && pkg.Name == "fault" && f.Sel.Name == name
}

// compiled returns the archive of each package.
func compiled(t *testing.T, flags ...string) map[string]string {
	t.Helper()
	args := append([]string{"list", "-export", "-f", "{{.ImportPath}} {{.Export}}"}, flags...)
	for _, pkg := range pointed {
		args = append(args, "./"+pkg)
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", stderr.String())
	archives := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		pkg, archive, _ := strings.Cut(strings.TrimSpace(line), " ")
		archives[pkg] = archive
	}
	return archives
}

var (
	// instruction is a line of a function: file and line, address, bytes, text.
	instruction = regexp.MustCompile(`^\s+\S+\s+0x[0-9a-f]+\s+([0-9a-f]+)\s+(.*)$`)
	// target is where a jump or a call goes, as an address in the archive. The bytes of the
	// instruction say it too, relative to itself, and what the linker puts there is named.
	target = regexp.MustCompile(`^([A-Z]+)\s+(?:0x[0-9a-f]+|\S+\(SB\))`)
	spaces = regexp.MustCompile(`\s+`)
)

// disassembled returns the instructions of each function.
func disassembled(t *testing.T, archive string) map[string][]string {
	t.Helper()
	require.NotEmpty(t, archive)
	out, err := exec.CommandContext(t.Context(), "go", "tool", "objdump", archive).Output()
	require.NoError(t, err)
	functions := make(map[string][]string)
	name := ""
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(line, "TEXT "); ok {
			name, _, _ = strings.Cut(rest, " ")
			functions[name] = []string{}
			continue
		}
		if m := instruction.FindStringSubmatch(line); m != nil {
			text := spaces.ReplaceAllString(target.ReplaceAllString(m[2], "$1"), " ")
			functions[name] = append(functions[name], text+" "+m[1])
		}
	}
	return functions
}

// opcodes returns what a function does, in no order and without registers.
func opcodes(code []string) []string {
	ops := make([]string, len(code))
	for i, line := range code {
		ops[i], _, _ = strings.Cut(line, " ")
	}
	slices.Sort(ops)
	return ops
}
