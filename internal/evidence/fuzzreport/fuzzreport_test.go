package main

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTargetsAreFoundInTheSources(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	target3 := "package a\n\nfunc FuzzThree(f *testing.F) {\n"
	target4 := "package a\n\nfunc FuzzFour(f *testing.F) {\n"
	got, err := find(fstest.MapFS{
		"b/x_test.go": file("package b\n\nfunc FuzzTwo(f *testing.F) {\n}\n" +
			"func FuzzOne(f *testing.F) {}\n"),
		"a/y_test.go":        file("//go:build fault\n\n" + target3),
		"a/linux_test.go":    file("//go:build linux\n\n" + target4),
		"a/z.go":             file("package a\n\nfunc FuzzNot(f *testing.F) {\n"),
		"a/w_test.go":        file("package a\n\n// func FuzzNot(f *testing.F)\n"),
		".c/x_test.go":       file("package c\n\nfunc FuzzNot(f *testing.F) {\n"),
		"testdata/x_test.go": file("package c\n\nfunc FuzzNot(f *testing.F) {\n"),
	})
	require.NoError(t, err)
	assert.Equal(t, []target{
		{"./a", "FuzzFour", ""},
		{"./a", "FuzzThree", "fault"},
		{"./b", "FuzzOne", ""},
		{"./b", "FuzzTwo", ""},
	}, got)
}

// Inputs that belong to no target would never be run again, and a target without any runs in
// tests with the few inputs that somebody thought of.
func TestEveryCorpusBelongsToATargetAndEveryTargetHasOne(t *testing.T) {
	module := os.DirFS("../../..")
	targets, err := find(module)
	require.NoError(t, err)
	known := make(map[string]bool)
	for _, x := range targets {
		known[path.Join(x.pkg, "testdata/fuzz", x.name)] = true
	}
	corpora := 0
	for _, pattern := range []string{
		"*/testdata/fuzz/*", "*/*/testdata/fuzz/*", "*/*/*/testdata/fuzz/*",
	} {
		dirs, err := fs.Glob(module, pattern)
		require.NoError(t, err)
		corpora += len(dirs)
		for _, dir := range dirs {
			assert.True(t, known[dir], dir)
			delete(known, dir)
		}
	}
	require.NotZero(t, corpora)
	assert.Empty(t, known, "no corpus is committed")
}

func TestProgressIsWhatTheLastLineSays(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out}
	const text = "fuzz: elapsed: 0s, gathering baseline coverage: 0/2 completed\n" +
		"fuzz: elapsed: 3s, execs: 100 (33/sec), new interesting: 1 (total: 3)\n" +
		"fuzz: elapsed: 6s, execs: 1234 (9/sec), new interesting: 7 (total: 9)\nPASS\n"
	_, err := p.Write([]byte(text))
	require.NoError(t, err)
	assert.Equal(t, text, out.String())
	assert.Equal(t, result{execs: 1234, interesting: 7}, p.result())
	_, err = p.Write([]byte("    Failing input written to testdata/fuzz/FuzzX/1\n"))
	require.NoError(t, err)
	assert.EqualValues(t, 1, p.result().crashers)
	assert.Equal(t, result{}, (&progress{}).result())
}

func TestRecordAddsUp(t *testing.T) {
	r := record([]result{
		{target: target{name: "FuzzA"}, execs: 10, interesting: 1, seconds: 1},
		{target: target{name: "FuzzB"}, execs: 5, interesting: 2, seconds: 2},
	})
	assert.Equal(t, map[string]int64{
		"targets": 2, "FuzzA": 10, "FuzzB": 5, "execs": 15, "new_interesting": 3, "crashers": 0,
	}, r.Counts)
	assert.Contains(t, r.Note, "3 s")
	assert.Equal(t, "fuzz", r.Name)
}

func TestListRunsNothing(t *testing.T) {
	t.Chdir("../../..")
	var out bytes.Buffer
	require.NoError(t, run(&out, 0, true, "^FuzzName$"))
	assert.Equal(t, "./shm:FuzzName\n", out.String())
	require.ErrorContains(t, run(&out, 0, true, "("), "pattern")
}
