package main

import (
	"context"
	"errors"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/manager"
)

func newShutdownCmd(a *app) *cobra.Command {
	var o closeOptions
	var all bool
	cmd := &cobra.Command{
		Use:   "shutdown NAME...",
		Short: "End channels, and what depends on them, in order",
		Long: `Shutdown ends the channels, and all channels that depend on them (deps shows
which), in order: it announces the end to everybody, then seals, drains and removes each channel
after all that depend on it, so that who still has something to pass on can do so. Channels that
do not depend on each other end at once. How far each one is stands on the standard error; at the
end it tells what was delivered and whom it waited for.

--timeout is for all of them together: each gets an equal share of what is left for those that
must end one after another. If one does not end in its time, or nobody is there to receive, it
stays sealed with its messages, what it depends on is not touched, and shutdown may be called
again. With --force each ends at its deadline nevertheless; with --rollback its senders may go
on.

It takes part only in what it ends.`,
		Example: `  shmctl shutdown tokens --reason "deploy 42" --timeout 30s
  shmctl shutdown --all --force`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 && !all:
				return usagef("which channels? name them, or give --all")
			case len(args) > 0 && all:
				return usagef("--all and names: want either")
			}
			return nil
		},
		ValidArgsFunction: a.completeChannels,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.timeout <= 0 {
				return usagef("--timeout %s: want more than nothing", o.timeout)
			}
			return a.shutdown(cmd.Context(), args, o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&all, "all", false, "end every channel of the directory")
	o.flags(flags)
	cmd.MarkFlagsMutuallyExclusive("force", "rollback")
	return cmd
}

// shutdown ends channels; without names, all.
func (a *app) shutdown(ctx context.Context, names []string, o closeOptions) (err error) {
	var failed severalErrors
	if len(names) == 0 {
		if names, failed, err = a.endable(ctx); err != nil {
			return err
		}
	}
	m, err := manager.New(manager.Options{Dir: a.segmentDir(), Retry: noRetry})
	if err != nil {
		return err
	}
	defer func() { err = first(err, m.Close()) }()
	for _, name := range names {
		if err := a.canEnd(ctx, name); err != nil {
			return err
		}
		spec := manager.Spec{Options: channel.Options{OpenOptions: a.openOptions()}}
		if err := m.Declare(name, spec); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	bars := newProgresses(a.stderr)
	so := manager.ShutdownOptions{Reason: o.why(), AtDeadline: o.policy()}
	if !o.json {
		so.Progress = func(name string, p channel.Progress) {
			bars.show(name, func() string { return drainText(p) })
		}
	}
	r, err := m.Shutdown(ctx, so)
	bars.finish()
	for _, end := range r.Ends {
		if end.Err != nil {
			failed = append(failed, end.Err)
		}
	}
	if err != nil && len(failed) == 0 {
		return err // before anything began
	}
	if o.json {
		err = a.printJSON(newEndsJSON(r))
	} else {
		err = a.print(endsText(r))
	}
	if len(failed) > 0 {
		return failed
	}
	return err
}

// endable lists the channels of the directory, but for those that keep a lock, and says of
// each that cannot be opened why.
func (a *app) endable(ctx context.Context) (names []string, failed severalErrors, err error) {
	entries, err := channel.List(a.segmentDir())
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if isEvent(e) || strings.HasPrefix(e.Name, manager.LockPrefix) {
			continue
		}
		if err := a.canEnd(ctx, e.Name); err != nil {
			failed = append(failed, err)
			continue
		}
		names = append(names, e.Name)
	}
	return names, failed, nil
}

// canEnd looks whether there is a channel of that name.
func (a *app) canEnd(ctx context.Context, name string) error {
	ch, err := a.observe(ctx, name)
	if err != nil {
		return err
	}
	return ch.Close()
}

// endsText is a table of what ended, in that order.
func endsText(r manager.Report) string {
	t := newTable("CHANNEL", "STATE", ">DELIVERED", ">DISCARDED", ">MAYBE NOT DELIVERED", ">LEFT",
		">TIME", "WAITED FOR")
	count := func(n uint64) string { return humanize.Comma(int64(n)) }
	for _, e := range r.Ends {
		c := e.Report
		state := ""
		if c.State != 0 {
			state = c.State.String()
		}
		t.row(e.Name, state, count(c.Delivered), count(c.Discarded), count(c.NotDelivered),
			count(c.Left), shortTime(e.Took), waitedFor(e))
	}
	if len(r.Ends) > 1 {
		t.row("all", "", count(r.Delivered), count(r.Discarded), count(r.NotDelivered),
			count(r.Left), shortTime(r.Elapsed), "")
	}
	if t.empty() {
		return "there is nothing to end\n"
	}
	return t.String()
}

// waitedFor says for whom, or for what, an end waited, if for anybody.
func waitedFor(e manager.End) string {
	switch {
	case errors.Is(e.Err, manager.ErrNotEnded):
		return "what depends on it"
	case e.Report.Left > 0 || e.Report.Delivered > 0:
		return e.Report.Waited
	}
	return ""
}

// endsJSON is what shutdown --json prints, also when it fails.
type endsJSON struct {
	Channels     []endJSON `json:"channels" doc:"in the order in which they ended"`
	Delivered    uint64    `json:"delivered" doc:"messages, of all"`
	Discarded    uint64    `json:"discarded" doc:"messages, by force"`
	NotDelivered uint64    `json:"not_delivered" doc:"messages at most, of mute receivers"`
	Left         uint64    `json:"left" doc:"slots"`
	ElapsedNs    int64     `json:"elapsed_ns"`
}

type endJSON struct {
	Name         string `json:"name"`
	State        string `json:"state" doc:"after it"`
	Delivered    uint64 `json:"delivered" doc:"messages"`
	Discarded    uint64 `json:"discarded" doc:"messages, by force"`
	NotDelivered uint64 `json:"not_delivered" doc:"messages at most"`
	Left         uint64 `json:"left" doc:"slots"`
	ElapsedNs    int64  `json:"elapsed_ns" doc:"from its turn on"`
	Waited       string `json:"waited" doc:"for whom, in words"`
	Error        string `json:"error" doc:"empty if it ended"`
}

func newEndsJSON(r manager.Report) endsJSON {
	j := endsJSON{
		Channels: []endJSON{}, Delivered: r.Delivered, Discarded: r.Discarded,
		NotDelivered: r.NotDelivered, Left: r.Left, ElapsedNs: int64(r.Elapsed),
	}
	for _, e := range r.Ends {
		c := e.Report
		one := endJSON{
			Name: e.Name, Delivered: c.Delivered, Discarded: c.Discarded,
			NotDelivered: c.NotDelivered, Left: c.Left, ElapsedNs: int64(e.Took),
			Waited: waitedFor(e),
		}
		if c.State != 0 {
			one.State = c.State.String()
		}
		if e.Err != nil {
			one.Error = oneLine(e.Err)
		}
		j.Channels = append(j.Channels, one)
	}
	return j
}
