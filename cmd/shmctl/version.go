package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"shmring/internal/layout"
)

// versionJSON is what version --json prints.
type versionJSON struct {
	Version     string `json:"version"`
	Revision    string `json:"revision" doc:"if the build recorded it"`
	Modified    bool   `json:"modified" doc:"since that revision"`
	Layout      int    `json:"layout" doc:"version of the layout of segments"`
	Fingerprint string `json:"fingerprint" doc:"of the layout, hexadecimal"`
	Go          string `json:"go" doc:"version"`
	Platform    string `json:"platform"`
}

func newVersionCmd(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version and the layout of segments",
		Long: `Version prints the version of this program and the layout of the segments that it
reads and writes. Programs use the same channels if layout and fingerprint are the same.`,
		Example: `  shmctl version --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("version takes no arguments")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			v := newVersionJSON(debug.ReadBuildInfo())
			if asJSON {
				return a.printJSON(v)
			}
			return a.print(v.text())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// newVersionJSON tells what the build recorded.
func newVersionJSON(info *debug.BuildInfo, ok bool) versionJSON {
	v := versionJSON{
		Version: "(devel)", Layout: layout.Version, Go: runtime.Version(),
		Fingerprint: fmt.Sprintf("%016x", uint64(layout.Fingerprint)),
		Platform:    runtime.GOOS + "/" + runtime.GOARCH,
	}
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func (v versionJSON) text() string {
	text := "shmctl " + v.Version
	if v.Revision != "" {
		text += ", revision " + v.Revision
	}
	if v.Modified {
		text += " (modified)"
	}
	return fmt.Sprintf("%s\nlayout %d, fingerprint %s\n%s %s\n", text, v.Layout, v.Fingerprint,
		v.Go, v.Platform)
}
