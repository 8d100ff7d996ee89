package shm

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// EnvDir names the environment variable that moves segments to another directory.
// It must be on a tmpfs, and processes that want to meet must agree on it.
const EnvDir = "SHMRING_DIR"

// DefaultDir is where segments are if nobody says otherwise.
const DefaultDir = "/dev/shm"

// prefix starts the file name of every segment.
const prefix = "shmring."

// maxName is the longest name in bytes: with the prefix it fits a file name.
const maxName = 200

// Dir returns the directory of segments: $SHMRING_DIR, or DefaultDir.
func Dir() string {
	if dir := os.Getenv(EnvDir); dir != "" {
		return dir
	}
	return DefaultDir
}

// CheckName reports whether name may name a segment: 1 to 200 letters, digits, dots,
// underscores and hyphens, without a leading dot. The error is fs.ErrInvalid.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: a channel needs a name", fs.ErrInvalid)
	case len(name) > maxName:
		return fmt.Errorf("%w: a name of %d bytes is longer than %d",
			fs.ErrInvalid, len(name), maxName)
	case name[0] == '.':
		return fmt.Errorf("%w: name %q starts with a dot", fs.ErrInvalid, name)
	}
	for i := range len(name) {
		if !nameByte(name[i]) {
			return fmt.Errorf("%w: name %q: byte %q: only letters, digits, '.', '_' and '-' "+
				"may be used", fs.ErrInvalid, name, name[i])
		}
	}
	return nil
}

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '.' || c == '_' || c == '-'
}

// pathOf returns the file of a checked name; an empty dir means Dir.
func pathOf(dir, name string) string {
	if dir == "" {
		dir = Dir()
	}
	path := filepath.Join(dir, prefix+name)
	if abs, err := filepath.Abs(path); err == nil {
		return abs // whoever changes his directory still finds it
	}
	return path
}

// nameOf is the inverse for a directory entry; false if it is no segment's.
func nameOf(file string) (string, bool) {
	name, ok := strings.CutPrefix(file, prefix)
	return name, ok && CheckName(name) == nil
}
