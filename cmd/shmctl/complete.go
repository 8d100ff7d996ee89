package main

import (
	"strings"

	"github.com/spf13/cobra"

	"shmring/channel"
)

// completeName completes the first argument with the names of channels.
func (a *app) completeName(
	_ *cobra.Command, args []string, prefix string,
) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeNames(nil, nil, prefix)
}

// completeNames completes every argument with the names of channels.
func (a *app) completeNames(
	_ *cobra.Command, _ []string, prefix string,
) ([]string, cobra.ShellCompDirective) {
	entries, err := channel.List(a.segmentDir())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name, prefix) {
			names = append(names, e.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
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
