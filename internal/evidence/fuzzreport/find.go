package main

import (
	"bytes"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A target is one fuzz target of the module.
type target struct {
	pkg  string // ./ring
	name string // FuzzOps
	tags string // build tags that it needs; empty if none
}

// String names a target as people do.
func (t target) String() string { return t.pkg + ":" + t.name }

var (
	fuzzFunc   = regexp.MustCompile(`(?m)^func (Fuzz\w*)\(\w+ \*testing\.F\)`)
	constraint = regexp.MustCompile(`(?m)^//go:build (\w+)$`)
)

// systemTags are build constraints that the system fulfills.
var systemTags = []string{"linux"}

// find looks through the test files of the module for fuzz targets, in order of their names.
func find(module fs.FS) ([]target, error) {
	var targets []target
	err := fs.WalkDir(module, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(d.Name(), "."), d.Name() == "testdata":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() || !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(module, name)
		if err != nil {
			return err
		}
		tags := ""
		head, _, _ := bytes.Cut(text, []byte("\npackage "))
		m := constraint.FindSubmatch(head)
		if m != nil && !slices.Contains(systemTags, string(m[1])) {
			tags = string(m[1])
		}
		for _, m := range fuzzFunc.FindAllSubmatch(text, -1) {
			targets = append(targets, target{"./" + path.Dir(name), string(m[1]), tags})
		}
		return nil
	})
	slices.SortFunc(targets, func(a, b target) int {
		return strings.Compare(a.String(), b.String())
	})
	return targets, err
}
