package ngram

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// DefaultCorpusBytes is how much text LoadCorpus takes if it is not told.
const DefaultCorpusBytes = 1 << 20

// ErrNoCorpus says that there is no text to build a model from.
var ErrNoCorpus = errors.New("no text to build the model from")

// Root returns the root of the Go installation: $GOROOT, or what `go env GOROOT` says.
func Root() (string, error) {
	if root := os.Getenv("GOROOT"); root != "" {
		return root, nil
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	root := strings.TrimSpace(string(out))
	if err != nil || root == "" {
		return "", fmt.Errorf("%w: the model is made of the comments in GOROOT/src, and there "+
			"is neither $GOROOT nor a go command (%w): install Go, set GOROOT, or name a "+
			"directory of .go files by -corpus", ErrNoCorpus, err)
	}
	return root, nil
}

// LoadCorpus returns the first limit bytes of the comments in the .go files below dir, in the
// order of their paths; without a dir, of the standard library of this Go installation.
// A limit of zero is DefaultCorpusBytes. Tests, commands, test data and vendored packages are
// left out, and so are lines that are not plain ASCII: a token is a byte, and must be a
// whole letter.
func LoadCorpus(dir string, limit int) ([]byte, error) {
	if dir == "" {
		root, err := Root()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(root, "src")
	}
	if limit <= 0 {
		limit = DefaultCorpusBytes
	}
	var text []byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return enter(d.Name())
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err = appendComments(text, path)
		if err == nil && len(text) >= limit {
			return fs.SkipAll
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w: is the source of the standard library installed? "+
			"Name another directory of .go files by -corpus", ErrNoCorpus, err)
	}
	if len(text) == 0 {
		return nil, fmt.Errorf("%w: no comment in any .go file below %s", ErrNoCorpus, dir)
	}
	return text[:min(limit, len(text))], nil
}

// enter says whether to look into a directory of that name.
func enter(name string) error {
	switch name {
	case "cmd", "vendor", "testdata", "internal":
		return fs.SkipDir
	}
	return nil
}

// appendComments appends the comments of one file that begin their line. The licence at
// the top of every file would be half of what the model says: it is left out.
func appendComments(text []byte, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return text, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	body, was := false, false // behind the package clause; the line before was taken
	for lines.Scan() {
		line := lines.Bytes()
		body = body || bytes.HasPrefix(line, []byte("package "))
		comment, ok := bytes.CutPrefix(line, []byte("// "))
		if ok = ok && body && plain(comment); ok {
			text = append(append(text, comment...), '\n')
		} else if was {
			text = append(text, '\n')
		}
		was = ok
	}
	return text, lines.Err()
}

// plain reports whether a line is printable ASCII.
func plain(line []byte) bool {
	for _, b := range line {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}
