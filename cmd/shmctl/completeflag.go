package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagValues are what flags with few values take, by the name of the flag.
var flagValues = map[string][]string{
	"kind":  {"mpsc", "spsc"},
	"mode":  {benchStream, benchTrip},
	"wait":  benchWaits,
	"arena": {"none", "1MiB", "16MiB", "64MiB"},
}

// completeFlags completes the values of the flags of a command and of all below it: no
// value of them is a file, but for those that are.
func (a *app) completeFlags(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		complete := cobra.NoFileCompletions
		switch {
		case f.Name == "kill" && f.Value.Type() == "int":
			complete = a.completePID
		case f.Name == "filter":
			complete = a.completeNames
		case f.Name == "mode" && f.Value.Type() == "octal":
			complete = cobra.FixedCompletions([]string{"0600", "0660"}, noFiles)
		case flagValues[f.Name] != nil:
			complete = cobra.FixedCompletions(flagValues[f.Name], noFiles)
		case f.Value.Type() == "string" || f.Value.Type() == "bool":
			return
		}
		_ = cmd.RegisterFlagCompletionFunc(f.Name, complete) // fails if it has one already
	})
	for _, c := range cmd.Commands() {
		a.completeFlags(c)
	}
}

const noFiles = cobra.ShellCompDirectiveNoFileComp

// completePID completes the pids of those who take part in the channel that is named.
func (a *app) completePID(
	cmd *cobra.Command, args []string, prefix string,
) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, noFiles
	}
	e, err := a.find(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	v := a.look(cmd.Context(), e)
	var pids []string
	for _, p := range v.participants {
		if pid := fmt.Sprint(p.PID); strings.HasPrefix(pid, prefix) {
			pids = append(pids, cobra.CompletionWithDesc(pid, p.Role.String()+", "+p.Doing()))
		}
	}
	return pids, noFiles
}
