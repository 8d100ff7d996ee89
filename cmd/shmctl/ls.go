package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"shmring/channel"
)

func newLsCmd(a *app) *cobra.Command {
	var asJSON bool
	var states []string
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the channels",
		Long: `Ls lists the channels, a line each, without disturbing anybody. A segment that is
no channel for this user has one word for why as its state: denied, foreign (another layout),
corrupt, or event (no channel); shmctl stat tells more.`,
		Example: `  shmctl ls
  shmctl ls --state ERROR
  shmctl ls --json | jq -r '.[] | select(.attached | not) | .name'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("ls takes no arguments; shmctl stat %s shows one channel", args[0])
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			entries, err := channel.List(a.segmentDir())
			if err != nil {
				return err
			}
			views := make([]view, 0, len(entries))
			for _, e := range entries {
				v := a.look(cmd.Context(), e)
				if errors.Is(v.err, fs.ErrNotExist) || !wanted(states, v.state) {
					continue // it went meanwhile, or was not asked for
				}
				views = append(views, v)
			}
			if asJSON {
				return a.printJSON(listJSON(views))
			}
			return a.print(listText(views))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringSliceVar(&states, "state", nil,
		"only those in that state, or in one of those")
	_ = cmd.RegisterFlagCompletionFunc("state", a.completeState) // only fails for an unknown flag
	return cmd
}

// wanted reports whether a state was asked for; without any, all are.
func wanted(states []string, have string) bool {
	return len(states) == 0 || slices.ContainsFunc(states, func(s string) bool {
		return strings.EqualFold(s, have)
	})
}

// completeState completes with the states that there are just now.
func (a *app) completeState(
	cmd *cobra.Command, _ []string, prefix string,
) ([]string, cobra.ShellCompDirective) {
	entries, err := channel.List(a.segmentDir())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var states []string
	for _, e := range entries {
		state := a.look(cmd.Context(), e).state
		if strings.HasPrefix(strings.ToLower(state), strings.ToLower(prefix)) {
			states = append(states, state)
		}
	}
	slices.Sort(states)
	return slices.Compact(states), cobra.ShellCompDirectiveNoFileComp
}

func listJSON(views []view) []summaryJSON {
	list := make([]summaryJSON, len(views))
	for i := range views {
		list[i] = newSummaryJSON(&views[i])
	}
	return list
}

func listText(views []view) string {
	t := newTable("NAME", "STATE", "KIND", ">DEPTH", ">SLOTS", ">SENDERS", ">RECEIVER", ">SENT",
		">SIZE", "CREATED")
	for i := range views {
		v := &views[i]
		cells := make([]string, len(t.rows[0]))
		cells[0], cells[1], cells[8] = v.entry.Name, v.state, humanize.IBytes(uint64(v.entry.Size))
		if v.readable() {
			o := v.options()
			cells[2], cells[4] = o.Kind.String(), fmt.Sprint(o.Slots)
			cells[9] = humanize.Time(time.Unix(0, v.entry.Header.CreatedNs))
		}
		if v.err == nil {
			cells[3], cells[5] = fmt.Sprint(v.stats.Depth), fmt.Sprint(v.stats.Senders)
			cells[7] = humanize.Comma(int64(v.stats.Sent))
			if p, ok := v.receiver(); ok {
				cells[6] = fmt.Sprintf("pid %d", p.PID)
			}
		}
		t.row(cells...)
	}
	if t.empty() {
		return ""
	}
	return t.String()
}
