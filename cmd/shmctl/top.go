package main

import (
	"context"
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

// topOptions are the flags of top.
type topOptions struct {
	interval time.Duration
	sort     string
	filter   string
	once     bool
	json     bool
}

func newTopCmd(a *app) *cobra.Command {
	var o topOptions
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch all channels at once",
		Long: `Top shows all channels, refreshed each --interval: how full each one is and was,
messages a second in and out, who is there, what they wait for, and with a mark what has
trouble. It takes part in none of them; only drain and recover, which it asks for by a second
key, do. A narrow terminal has fewer columns, a wide one the trouble of each channel.

Keys: up and down (k, j) choose a channel, enter shows its troubles, participants and history,
esc goes back, s sorts by the next column, / filters by name, d drains, r recovers, q ends.

If the input or the output is no terminal, and with --once or --json, it looks twice and prints
one table. Without colour with NO_COLOR or TERM=dumb.`,
		Example: `  shmctl top
  shmctl top --sort depth --filter token
  shmctl top --once --interval 5s`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("top takes no arguments; --filter %s shows some channels", args[0])
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.interval < 50*time.Millisecond {
				return usagef("--interval %s: want 50ms or more", o.interval)
			}
			if topSorts.index(o.sort) < 0 {
				return usagef("--sort %s: want one of %s", o.sort, strings.Join(topSorts, ", "))
			}
			return a.top(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&o.interval, "interval", time.Second, "time between two looks")
	flags.StringVar(&o.sort, "sort", topSorts[0], strings.Join(topSorts, ", "))
	flags.StringVar(&o.filter, "filter", "", "only channels whose name contains that")
	flags.BoolVar(&o.once, "once", false, "look twice and print one table")
	flags.BoolVar(&o.json, "json", false, "print JSON, once")
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(topSorts,
		cobra.ShellCompDirectiveNoFileComp)) // only fails for an unknown flag
	return cmd
}

func (a *app) top(ctx context.Context, o topOptions) error {
	if o.once || o.json || !isTerminal(a.stdin) || !isTerminal(a.stdout) {
		return a.topOnce(ctx, o)
	}
	m := newTopModel(ctx, a, o)
	program := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(a.stdin),
		tea.WithOutput(a.stdout), tea.WithoutSignalHandler())
	_, err := program.Run()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, tea.ErrInterrupted) {
		return nil
	}
	return err
}

// topOnce prints one table.
func (a *app) topOnce(ctx context.Context, o topOptions) error {
	var s topSampler
	if _, err := s.sample(ctx, a); err != nil {
		return err
	}
	if !pause(ctx, o.interval) {
		return context.Cause(ctx)
	}
	rows, err := s.sample(ctx, a)
	if err != nil {
		return err
	}
	rows = topArrange(rows, o.sort, o.filter)
	if o.json {
		return a.printJSON(topJSON(rows))
	}
	t := newTable("NAME", "STATE", ">DEPTH", ">SLOTS", ">SENT/S", ">RECV/S", ">SENDERS", "RECEIVER",
		"WAITS FOR", "TROUBLE")
	for _, r := range rows {
		t.row(r.name(), r.view.state, r.depthText(), r.slotsText(), r.rateText(r.sent),
			r.rateText(r.received), r.countText(r.view.stats.Senders), r.receiverText(), r.waits(),
			r.trouble())
	}
	if t.empty() {
		return nil
	}
	return a.print(t.String())
}

// topRowJSON is an element of top --json.
type topRowJSON struct {
	Name      string    `json:"name"`
	State     string    `json:"state"`
	Depth     uint64    `json:"depth" doc:"slots in use"`
	Slots     uint64    `json:"slots" doc:"of the ring"`
	SentS     float64   `json:"sent_per_s" doc:"messages"`
	ReceivedS float64   `json:"received_per_s" doc:"messages"`
	Senders   int       `json:"senders" doc:"living"`
	Receivers int       `json:"receivers" doc:"living"`
	Troubles  []trouble `json:"troubles" doc:"what holds it up"`
}

func topJSON(rows []topRow) []topRowJSON {
	list := make([]topRowJSON, len(rows))
	for i, r := range rows {
		s := r.view.stats
		list[i] = topRowJSON{
			Name: r.name(), State: r.view.state, Depth: s.Depth, Slots: s.Slots, SentS: r.sent,
			ReceivedS: r.received, Senders: s.Senders, Receivers: s.Receivers,
			Troubles: r.view.troubles(),
		}
	}
	return list
}

// shortRate is a number a second in few letters.
func shortRate(rate float64) string {
	if rate < 1000 {
		return humanize.FtoaWithDigits(rate, 1)
	}
	value, prefix := humanize.ComputeSI(rate)
	return humanize.FtoaWithDigits(value, 1) + prefix
}
