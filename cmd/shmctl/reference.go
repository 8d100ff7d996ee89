package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// The part of docs/SHMCTL.md that is written by man --markdown.
const (
	jsonBegin = "<!-- json: begin, written by make reference -->\n"
	jsonEnd   = "<!-- json: end -->\n"
)

const referenceHead = "# Reference of shmctl\n\n" +
	"Every verb with its flags and examples, as `shmctl help VERB` shows them; written by\n" +
	"`make reference`, do not edit. [SHMCTL.md](SHMCTL.md) explains more, and has the fields of\n" +
	"`--json` and the exit codes. Every verb takes `--dir`, the directory of segments, and\n" +
	"`--help`.\n"

// reference is docs/CLI.md: all verbs on one page.
func reference(root *cobra.Command) (string, error) {
	root.DisableAutoGenTag = true
	root.InitDefaultHelpCmd()
	var pages strings.Builder
	contents := "\n| verb | |\n|---|---|\n"
	for _, cmd := range pagesOf(root) {
		var page bytes.Buffer
		link := func(name string) string { return name }
		if err := doc.GenMarkdownCustom(cmd, &page, link); err != nil {
			return "", fmt.Errorf("reference of %s: %w", cmd.CommandPath(), err)
		}
		text := page.String()
		for _, end := range []string{"### Options inherited", "### SEE ALSO"} {
			text, _, _ = strings.Cut(text, end)
		}
		pages.WriteString("\n" + strings.TrimRight(text, "\n") + "\n")
		contents += fmt.Sprintf("| [%s](#%s) | %s |\n", cmd.CommandPath(),
			strings.ReplaceAll(cmd.CommandPath(), " ", "-"), cmd.Short)
	}
	return referenceHead + contents + pages.String(), nil
}

// pagesOf lists a command and all below it that have a page of help.
func pagesOf(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			list = append(list, pagesOf(c)...)
		}
	}
	return list
}

// withJSONManual puts the fields of --json between the marks in docs/SHMCTL.md.
func withJSONManual(manual string) (string, error) {
	before, rest, ok := strings.Cut(manual, jsonBegin)
	_, after, found := strings.Cut(rest, jsonEnd)
	if !ok || !found {
		return "", errors.New("SHMCTL.md: the marks around the fields of --json are not there")
	}
	return before + jsonBegin + jsonManual() + "\n" + jsonEnd + after, nil
}

// writeReference writes what is generated of the documents in dir.
func writeReference(root *cobra.Command, dir string) error {
	text, err := reference(root)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "SHMCTL.md")
	manual, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("directory of documents: %w", err)
	}
	whole, err := withJSONManual(string(manual))
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(path, []byte(whole), 0o644),
		os.WriteFile(filepath.Join(dir, "CLI.md"), []byte(text), 0o644),
	)
}
