package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"shmring/channel"
)

func newLsCmd(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the channels",
		Long: `Ls lists the channels, a line each, without disturbing anybody. A segment that is
no channel for this user has one word for why as its state: denied, foreign (another layout),
corrupt, or event (no channel); shmctl stat tells more.`,
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
				if v := a.look(cmd.Context(), e); !errors.Is(v.err, fs.ErrNotExist) {
					views = append(views, v)
				}
			}
			if asJSON {
				return a.printJSON(listJSON(views))
			}
			return a.print(listText(views))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
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
