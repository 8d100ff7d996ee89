package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/manager"
)

func newDepsCmd(a *app) *cobra.Command {
	var asJSON, asDot bool
	cmd := &cobra.Command{
		Use:   "deps [NAME...]",
		Short: "Show which channels depend on which",
		Long: `A channel depends on another one if what is received from it leads to messages in
the other. Shutdown ends a channel only after all that depend on it, so that they can send to it
what they still have. Programs and deps add store that in the segments.

Deps shows it as a tree: under each channel what it depends on. With names it begins at those,
and tells in parentheses what shutdown would end before them. It takes part in no channel and
disturbs nobody.`,
		Example: `  shmctl deps add requests tokens
  shmctl deps
  shmctl deps --dot | dot -Tsvg > channels.svg`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeChannels,
		RunE: func(cmd *cobra.Command, args []string) error {
			g, err := a.graph(cmd.Context())
			if err != nil {
				return err
			}
			for _, name := range args {
				if _, ok := g[name]; !ok {
					return a.whyNot(cmd.Context(), name)
				}
			}
			switch {
			case asJSON:
				return a.printJSON(g.json(args))
			case asDot:
				return a.print(g.dot(args))
			}
			return a.print(g.tree(args))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&asDot, "dot", false, "print the language of Graphviz")
	cmd.MarkFlagsMutuallyExclusive("json", "dot")
	cmd.AddCommand(newDepsAddCmd(a), newDepsRmCmd(a))
	return cmd
}

func newDepsAddCmd(a *app) *cobra.Command {
	return a.newChangeDepsCmd(&cobra.Command{
		Use:   "add A B",
		Short: "Make one channel depend on another",
		Long: `Add stores in A that it depends on B: what is received from A leads to messages in
B, and shutdown ends A first. Both must exist. What would close a cycle is refused (6), and the
cycle named.`,
		Example: `  shmctl deps add requests tokens`,
	}, a.addDependency)
}

func newDepsRmCmd(a *app) *cobra.Command {
	return a.newChangeDepsCmd(&cobra.Command{
		Use:   "rm A B",
		Short: "Take back that one channel depends on another",
		Long: `Rm takes back what add, or a program, stored in A. B need not exist any more. If A
does not depend on B, rm says so, and that is no failure.`,
		Example: `  shmctl deps rm requests tokens`,
	}, a.removeDependency)
}

func (a *app) newChangeDepsCmd(
	cmd *cobra.Command, change func(ctx context.Context, from, to string) (string, error),
) *cobra.Command {
	var timeout time.Duration
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usagef("%d names, want two: shmctl deps %s", len(args), cmd.Use)
		}
		return nil
	}
	cmd.ValidArgsFunction = func(
		cmd *cobra.Command, args []string, prefix string,
	) ([]string, cobra.ShellCompDirective) {
		if len(args) >= 2 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.completeChannels(cmd, args, prefix)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if timeout <= 0 {
			return usagef("--timeout %s: want more than nothing", timeout)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		done, err := change(ctx, args[0], args[1])
		if err != nil {
			return err
		}
		return a.print(done + "\n")
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second,
		"longest wait for somebody who controls the channel")
	return cmd
}

func (a *app) addDependency(ctx context.Context, from, to string) (_ string, err error) {
	m, err := manager.New(manager.Options{Dir: a.segmentDir(), Retry: noRetry})
	if err != nil {
		return "", err
	}
	stays, err := a.staysWithoutUs(from)
	if err != nil {
		return "", err
	}
	if stays {
		defer func() { err = first(err, m.Close()) }()
	}
	observed := a.openOptions()
	observed.ReadOnly = true
	if _, err = m.Open(ctx, from, a.openOptions()); err != nil {
		return "", err
	}
	if to != from {
		if _, err = m.Open(ctx, to, observed); err != nil {
			return "", err
		}
	}
	if err = m.DependsOn(ctx, from, to); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s depends on %s", from, to), nil
}

func (a *app) removeDependency(ctx context.Context, from, to string) (_ string, err error) {
	stays, err := a.staysWithoutUs(from)
	if err != nil {
		return "", err
	}
	ch, err := channel.Open(ctx, from, a.openOptions())
	if err != nil {
		return "", err
	}
	if stays {
		defer func() { err = first(err, ch.Close()) }()
	}
	had := slices.ContainsFunc(ch.Dependencies(), func(d channel.Dependency) bool {
		return d.Name == to
	})
	if err = ch.Independ(ctx, to); err != nil {
		return "", err
	}
	if !had {
		return fmt.Sprintf("%s did not depend on %s", from, to), nil
	}
	return fmt.Sprintf("%s does not depend on %s any more", from, to), nil
}

// staysWithoutUs reports whether a channel stays when we detach from it: an ephemeral one
// that nobody else is attached to would go, as if we had used it.
func (a *app) staysWithoutUs(name string) (bool, error) {
	entries, err := channel.List(a.segmentDir())
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if e.Name == name && e.Err == nil {
			v := view{entry: e}
			return e.Attached || v.options().Lifetime == channel.Persistent, nil
		}
	}
	return true, nil // opening it tells
}

// noRetry is the policy of a person, who can try again.
func noRetry() manager.Backoff { return once{} }

type once struct{}

// NextBackOff implements manager.Backoff.
func (once) NextBackOff() time.Duration { return manager.Stop }

// graph reads the dependencies of the directory, without locks nobody depends on.
func (a *app) graph(ctx context.Context) (_ deps, err error) {
	m, err := manager.New(manager.Options{Dir: a.segmentDir()})
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, m.Close()) }()
	g, err := m.Graph(ctx)
	if err != nil {
		return nil, err
	}
	d := deps(g)
	turned := d.turned()
	for name, below := range d {
		slices.Sort(below)
		if strings.HasPrefix(name, manager.LockPrefix) && len(below)+len(turned[name]) == 0 {
			delete(d, name)
		}
	}
	return d, nil
}

// whyNot says why a channel is not in the graph.
func (a *app) whyNot(ctx context.Context, name string) error {
	ch, err := a.observe(ctx, name)
	if err != nil {
		return err
	}
	return errors.Join(usagef("%s is a lock, on which nothing depends", name), ch.Close())
}
