package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"shmring/channel"
)

func newDrainCmd(a *app) *cobra.Command {
	var timeout time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "drain NAME",
		Short: "Seal a channel and wait until everything was received",
		Long: `Drain seals the channel, so that nobody can send any more, and waits until
everything was received. It shows how far that is on the standard error: on a terminal in place,
else a line now and then. The channel stays, sealed: recv takes its end, close ends it for all.

If messages are left and nobody is there to receive, drain does not wait (9). When it ends
early, by --timeout (5) or a signal, the channel stays sealed with its messages, and drain may
be called again; close --rollback lets senders go on.`,
		Example:           `  shmctl drain q --timeout 1m && shmctl close q`,
		Args:              named(0, 0),
		ValidArgsFunction: a.completeName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout < 0 {
				return usagef("--timeout %s is negative", timeout)
			}
			return a.drain(cmd.Context(), args[0], timeout, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&timeout, "timeout", 0, "longest wait for the receiver (default for ever)")
	flags.BoolVar(&asJSON, "json", false, "print JSON, and no progress")
	return cmd
}

func (a *app) drain(
	ctx context.Context, name string, timeout time.Duration, asJSON bool,
) (err error) {
	ch, err := channel.Open(ctx, name, a.openOptions())
	if err != nil {
		return err
	}
	defer func() { err = first(err, leave(ch)) }()
	ctx, cancel := bounded(ctx, timeout)
	defer cancel()
	bar := newProgress(a.stderr)
	bar.last = time.Now() // what is over at once needs no progress
	r := channel.Report{Name: name}
	began := time.Now()
	err = ch.Drain(ctx, func(p channel.Progress) {
		r.Delivered = p.Done
		if p.Living || r.Waited == "" {
			r.Waited = p.Receiver
		}
		if !asJSON {
			bar.show(func() string { return drainText(p) })
		}
	})
	bar.finish()
	s := ch.Stats()
	r.Elapsed, r.State, r.Left = time.Since(began), s.State, s.Depth
	if asJSON {
		return errors.Join(err, a.printJSON(newDrainedJSON(r, s.Reason)))
	}
	return errors.Join(err, a.print(reportText(r)))
}

// drainText is how far a drain is.
func drainText(p channel.Progress) string {
	given := ""
	if p.GivenBack > 0 {
		given = fmt.Sprintf(" (%s of memory given back)", humanize.IBytes(p.GivenBack))
	}
	return fmt.Sprintf("%s delivered, %s left after %s%s; waiting for: %s",
		humanize.Comma(int64(p.Done)), humanize.Comma(int64(p.Left)), shortTime(p.Elapsed), given,
		p.Receiver)
}

// drainedJSON is what drain --json prints, also when it fails.
type drainedJSON struct {
	Name      string `json:"name"`
	State     string `json:"state" doc:"after it"`
	Reason    string `json:"reason"`
	Delivered uint64 `json:"delivered" doc:"messages, while it waited"`
	Left      uint64 `json:"left" doc:"slots"`
	ElapsedNs int64  `json:"elapsed_ns"`
	Waited    string `json:"waited" doc:"for whom, in words"`
}

func newDrainedJSON(r channel.Report, reason string) drainedJSON {
	return drainedJSON{
		Name: r.Name, State: r.State.String(), Reason: reason, Delivered: r.Delivered,
		Left: r.Left, ElapsedNs: int64(r.Elapsed), Waited: r.Waited,
	}
}
