package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	root    string
	senders int
	kill    bool
	json    bool
}

func newDemoCmd(a *app) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Send a source tree between processes and verify every byte",
		Long: `Demo starts sender processes that share out every regular file of a directory, one
file a message, over a fresh channel to this process, which recomputes the xxhash64 of each
file in place and compares. It exits with 1 if anything was lost or corrupted.

With --kill it kills one sender in mid-stream: the files of the others all arrive, and the
slot that the victim may have reserved and never filled is skipped, counted and named.`,
		Example: `  shmctl demo
  shmctl demo --kill
  shmctl demo --source /usr/include --senders 5`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.root, "source", "", "tree to send (default src of go env GOROOT)")
	_ = cmd.MarkFlagDirname("source") // only fails for an unknown flag
	flags.IntVar(&o.senders, "senders", 3, "number of sender processes")
	flags.BoolVar(&o.kill, "kill", false, "kill one sender in mid-stream")
	flags.BoolVar(&o.json, "json", false, "print the result as JSON")
	return cmd
}

// demoMaxSenders leaves a place for the receiver and for controllers.
const demoMaxSenders = 48

func runDemo(ctx context.Context, a *app, o demoOptions) error {
	if o.senders < 1 || o.senders > demoMaxSenders {
		return usagef("--senders %d: want 1 to %d", o.senders, demoMaxSenders)
	}
	if o.kill && o.senders < 2 {
		return usagef("--kill needs at least two senders: one has to survive")
	}
	root, err := demoRoot(ctx, o.root)
	if err != nil {
		return err
	}
	paths, largest, err := demoTree(root)
	if err != nil {
		return err
	}
	d, err := newDemo(ctx, a, o, root, paths, largest)
	if err != nil {
		return err
	}
	err = d.run(ctx)
	if err = errors.Join(err, d.end(ctx)); err != nil {
		return err
	}
	if err := d.print(); err != nil {
		return err
	}
	return d.result.verdict()
}

// demoRoot returns the directory to send: the sources of the Go installation unless one
// was named.
func demoRoot(ctx context.Context, dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(dir)
	}
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its source tree: %w: name a tree with --source", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "src"), nil
}
