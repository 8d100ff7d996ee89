package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/internal/layout"
)

// completeName completes the first argument with the names of channels.
func (a *app) completeName(
	cmd *cobra.Command, args []string, prefix string,
) ([]string, cobra.ShellCompDirective) {
	isChannel := func(e channel.Entry) bool { return !isEvent(e) }
	return a.completeFirst(cmd.Context(), args, prefix, isChannel)
}

// completeEvent completes the first argument with the names of events.
func (a *app) completeEvent(
	cmd *cobra.Command, args []string, prefix string,
) ([]string, cobra.ShellCompDirective) {
	return a.completeFirst(cmd.Context(), args, prefix, isEvent)
}

// completeNames completes every argument with the names of segments.
func (a *app) completeNames(
	cmd *cobra.Command, _ []string, prefix string,
) ([]string, cobra.ShellCompDirective) {
	return a.completeFirst(cmd.Context(), nil, prefix, func(channel.Entry) bool { return true })
}

// completeChannels completes every argument with the names of channels that were not given
// yet.
func (a *app) completeChannels(
	cmd *cobra.Command, args []string, prefix string,
) ([]string, cobra.ShellCompDirective) {
	return a.completeFirst(cmd.Context(), nil, prefix, func(e channel.Entry) bool {
		return !isEvent(e) && !slices.Contains(args, e.Name)
	})
}

func isEvent(e channel.Entry) bool { return e.Err == nil && e.Header.Kind == layout.KindEvent }

// stateWord is the note that stands beside a name.
func (a *app) stateWord(ctx context.Context, e channel.Entry) string {
	v := a.lookAny(ctx, e)
	if v.err != nil || v.stats.Depth == 0 {
		return v.state
	}
	return fmt.Sprintf("%s, %d of %d slots in use", v.state, v.stats.Depth, v.stats.Slots)
}

func (a *app) completeFirst(
	ctx context.Context, args []string, prefix string, fits func(channel.Entry) bool,
) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	entries, err := channel.List(a.segmentDir())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name, prefix) && fits(e) {
			names = append(names, cobra.CompletionWithDesc(e.Name, a.stateWord(ctx, e)))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completionExamples put the scripts where the shells look for them.
var completionExamples = map[string]string{
	"bash":       "  source <(shmctl completion bash)",
	"zsh":        `  shmctl completion zsh > "${fpath[1]}/_shmctl"`,
	"fish":       "  shmctl completion fish > ~/.config/fish/completions/shmctl.fish",
	"powershell": "  shmctl completion powershell | Out-String | Invoke-Expression",
}

// completionCmd makes cobra's own command refuse wrong arguments as other verbs do.
func completionCmd(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Args = func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("no shell %q; shmctl help completion lists them", args[0])
			}
			return nil
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		cmd.Example = "  source <(shmctl completion bash)"
		for _, shell := range cmd.Commands() {
			shell.Example = completionExamples[shell.Name()]
			shell.Args = func(cmd *cobra.Command, args []string) error {
				if len(args) > 0 {
					return usagef("%s takes no arguments", cmd.Name())
				}
				return nil
			}
		}
	}
}

// named wants the name of a channel and from least to most arguments after it; most
// below zero: any number.
func named(least, most int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch n := len(args) - 1; {
		case n < 0:
			return usagef("which channel? shmctl ls lists them")
		case n < least:
			return usagef("%d arguments after the name, want at least %d", n, least)
		case most >= 0 && n > most:
			return usagef("%q after the name: want at most %d arguments", args[1:], most)
		}
		return nil
	}
}

// completeNameAndFile completes a channel, then a file.
func (a *app) completeNameAndFile(
	cmd *cobra.Command, args []string, prefix string,
) ([]string, cobra.ShellCompDirective) {
	if len(args) == 1 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return a.completeName(cmd, args, prefix)
}

// completeFileAndName completes a file, then a channel.
func (a *app) completeFileAndName(
	cmd *cobra.Command, args []string, prefix string,
) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return nil, cobra.ShellCompDirectiveDefault
	case 1:
		return a.completeName(cmd, nil, prefix)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
