package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shmring/channel"
)

// closeOptions are the flags of close.
type closeOptions struct {
	reason   string
	timeout  time.Duration
	force    bool
	rollback bool
	sealOnly bool
	json     bool
}

func newCloseCmd(a *app) *cobra.Command {
	var o closeOptions
	cmd := &cobra.Command{
		Use:   "close NAME",
		Short: "End a channel for all",
		Long: `Close seals the channel, so that nobody can send any more, waits until everything
was received, ends it for all who are attached, and removes it. It tells what was delivered and
whom it waited for.

If nobody is there to receive, or that takes longer than --timeout, the channel stays sealed
with its messages, and close may be called again. With --force it ends at the deadline
nevertheless: what is left then is discarded and counted, and a receiver is told. With
--rollback senders may go on.`,
		Example: `  shmctl close q --reason "deploy 42" --timeout 30s
  shmctl close q --rollback
  shmctl close q --force --json`,
		Args:              named(0, 0),
		ValidArgsFunction: a.completeName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.timeout <= 0 {
				return usagef("--timeout %s: want more than nothing", o.timeout)
			}
			return a.closeChannel(cmd.Context(), args[0], o)
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().BoolVar(&o.sealOnly, "seal-only", false, "seal and do not wait")
	cmd.MarkFlagsMutuallyExclusive("force", "rollback", "seal-only")
	return cmd
}

// flags are those of close and of shutdown.
func (o *closeOptions) flags(flags *pflag.FlagSet) {
	flags.StringVar(&o.reason, "reason", "", "why, for everybody who is attached")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Second, "longest wait for the receivers")
	flags.BoolVarP(&o.force, "force", "f", false, "discard what is left at the deadline")
	flags.BoolVar(&o.rollback, "rollback", false, "let senders go on at the deadline")
	flags.BoolVar(&o.json, "json", false, "print JSON")
}

// why is the reason to give.
func (o *closeOptions) why() string {
	if o.reason == "" {
		return "closed by shmctl"
	}
	return o.reason
}

// policy is what to do at the deadline.
func (o *closeOptions) policy() channel.Policy {
	switch {
	case o.force:
		return channel.Force
	case o.rollback:
		return channel.Rollback
	}
	return channel.Leave
}

func (a *app) closeChannel(ctx context.Context, name string, o closeOptions) (err error) {
	ch, err := channel.Open(ctx, name, a.openOptions())
	if err != nil {
		return err
	}
	defer func() { err = first(err, leave(ch)) }()
	var r channel.Report
	if o.sealOnly {
		r, err = sealOnly(ch, o.why())
	} else {
		ctx, cancel := context.WithTimeout(ctx, o.timeout)
		defer cancel()
		r, err = ch.Shutdown(ctx, channel.ShutdownOptions{Reason: o.why(), AtDeadline: o.policy()})
	}
	if o.json {
		return errors.Join(err, a.printJSON(newReportJSON(r, ch.Reason())))
	}
	return errors.Join(err, a.print(reportText(r)))
}

func sealOnly(ch *channel.Channel, reason string) (channel.Report, error) {
	err := ch.Seal(reason)
	return channel.Report{Name: ch.Name(), State: ch.State(), Left: ch.Stats().Depth}, err
}

func reportText(r channel.Report) string {
	var parts []string
	for _, n := range []struct {
		n    uint64
		what string
	}{
		{r.Delivered, "delivered"},
		{r.Discarded, "discarded"},
		{r.NotDelivered, "maybe not delivered"},
		{r.Left, "left"},
	} {
		if n.n > 0 {
			parts = append(parts, humanize.Comma(int64(n.n))+" "+n.what)
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing was left")
	}
	text := fmt.Sprintf("%s: %s: %s", r.Name, r.State, strings.Join(parts, ", "))
	if r.Elapsed > 0 {
		text += " in " + shortTime(r.Elapsed)
	}
	if r.Waited != "" && (r.Left > 0 || r.Delivered > 0) {
		text += "; waited for: " + r.Waited
	}
	return text + "\n"
}

// shortTime is a duration for people.
func shortTime(d time.Duration) string {
	switch {
	case d > 10*time.Second:
		return d.Round(time.Second).String()
	case d > 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// reportJSON is what close --json prints, also when it fails.
type reportJSON struct {
	Name         string `json:"name"`
	State        string `json:"state" doc:"after it"`
	Reason       string `json:"reason"`
	Delivered    uint64 `json:"delivered" doc:"messages, while it waited"`
	Discarded    uint64 `json:"discarded" doc:"messages, by force"`
	NotDelivered uint64 `json:"not_delivered" doc:"messages at most, of a mute receiver"`
	Left         uint64 `json:"left" doc:"slots"`
	ElapsedNs    int64  `json:"elapsed_ns"`
	Waited       string `json:"waited" doc:"for whom, in words"`
}

func newReportJSON(r channel.Report, reason string) reportJSON {
	return reportJSON{
		Name: r.Name, State: r.State.String(), Reason: reason, Delivered: r.Delivered,
		Discarded: r.Discarded, NotDelivered: r.NotDelivered, Left: r.Left,
		ElapsedNs: int64(r.Elapsed), Waited: r.Waited,
	}
}
