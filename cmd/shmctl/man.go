package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManCmd writes manual pages; make man and make reference call it.
func newManCmd(a *app) *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:   "man DIR",
		Short: "Write a manual page for each verb",
		Long: `Man writes a manual page for each verb to DIR; with --markdown it writes what is
generated of the documents in DIR: CLI.md, and the fields of --json in SHMCTL.md.`,
		Example: `  shmctl man man
  shmctl man --markdown docs`,
		Hidden: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("which directory?")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if markdown {
				return writeReference(cmd.Root(), args[0])
			}
			return a.man(cmd.Root(), args[0])
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "write the reference of the documents")
	return cmd
}

func (a *app) man(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("directory of manual pages: %w", err)
	}
	root.DisableAutoGenTag = true
	header := doc.GenManHeader{
		Title: "SHMCTL", Section: "1", Source: "shmring", Manual: "shmring",
	}
	if err := doc.GenManTree(root, &header, dir); err != nil {
		return fmt.Errorf("write manual pages: %w", err)
	}
	pages, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("directory of manual pages: %w", err)
	}
	return a.print(fmt.Sprintf("%s: %d pages\n", dir, len(pages)))
}
