package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// An app is everything a command touches besides the channels themselves.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	dir            string // --dir; empty: the library's choice
}

func newApp() *app {
	return &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
}

// execute runs one command line and returns the exit code. It is the only place that
// reports errors.
func (a *app) execute(ctx context.Context, args []string) int {
	root := newRootCmd(a)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := guarded(func() error { return root.ExecuteContext(ctx) })
	if v, ok := errors.AsType[verdictError](err); ok {
		return int(v)
	}
	if err == nil || errors.Is(err, errReaderGone) {
		return exitOK
	}
	cmd, _, ferr := root.Find(args)
	if ferr != nil {
		cmd = root
	}
	verb := strings.TrimPrefix(cmd.CommandPath(), root.Name())
	for _, err := range parts(err) {
		a.complain(strings.TrimSpace(verb), err)
	}
	if cmd.Name() == healthVerb && cmd.Parent() == root {
		return a.cannotCheck(cmd, err)
	}
	return exitCode(err)
}

// complain writes one line about a failure.
func (a *app) complain(verb string, err error) {
	who := "shmctl"
	if verb != "" {
		who += " " + verb
	}
	_, _ = fmt.Fprintf(a.stderr, "%s: %s\n", who, oneLine(err)) // nowhere left to report
}

// oneLine is what explain says, without newlines.
func oneLine(err error) string { return strings.ReplaceAll(explain(err), "\n", "; ") }

// first returns the first of several errors: the rest follow from it.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// severalErrors are failures of one call, each of its own object.
type severalErrors []error

func (e severalErrors) Error() string { return errors.Join(e...).Error() }

// Unwrap gives the first one: it decides on the exit code.
func (e severalErrors) Unwrap() error { return e[0] }

// parts returns the errors to report, a line each.
func parts(err error) []error {
	if several, ok := errors.AsType[severalErrors](err); ok {
		return several
	}
	return []error{err}
}
