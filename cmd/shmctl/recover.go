package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/state"
)

func newRecoverCmd(a *app) *cobra.Command {
	var o recoverOptions
	cmd := &cobra.Command{
		Use:   "recover NAME",
		Short: "Repair a channel and say what was repaired",
		Long: `Recover settles the participants that died, completes what a dead process left half
done, and brings a channel in state ERROR back to ACTIVE: slots that are damaged are given up and
counted, messages that are whole are kept. A channel that is well stays as it is.

While a receiver lives, only its own process can repair slots (6): end it first. What is beyond
repair (7) can only be closed by force or removed.

With --kill it first kills a process that lives and is stuck (stat shows who): it sends SIGKILL,
waits until the kernel has freed its locks, and then repairs. It kills nobody who does not hold a
place or the control lock of this channel at that moment, as the kernel says (6).`,
		Example: `  shmctl recover q
  shmctl recover q --kill 4711`,
		Args:              named(0, 0),
		ValidArgsFunction: a.completeName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.timeout <= 0 {
				return usagef("--timeout %s: want more than nothing", o.timeout)
			}
			if cmd.Flags().Changed("kill") && o.kill <= 0 {
				return usagef("--kill %d: want the pid of a process", o.kill)
			}
			return a.recover(cmd.Context(), args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&o.timeout, "timeout", 10*time.Second,
		"longest wait for somebody who controls the channel")
	flags.IntVar(&o.kill, "kill", 0,
		"first kill the process with this pid, which takes part and is stuck")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// recoverOptions are the flags of recover.
type recoverOptions struct {
	timeout time.Duration
	kill    int
	json    bool
}

// recover looks before it attaches: attaching alone settles the dead.
func (a *app) recover(ctx context.Context, name string, o recoverOptions) (err error) {
	ctx, cancel := bounded(ctx, o.timeout)
	defer cancel()
	seen, err := a.observe(ctx, name)
	if err != nil {
		return err
	}
	r := repairs{before: seen.Stats()}
	changes := seen.History()
	if err := seen.Close(); err != nil {
		return err
	}
	ch, err := channel.Open(ctx, name, a.openOptions())
	if err != nil {
		return err
	}
	if ch.Instance() != seen.Instance() {
		r.before, changes = ch.Stats(), ch.History() // somebody made it anew meanwhile
	}
	if o.kill > 0 {
		r.done, err = ch.Evict(ctx, o.kill)
	} else {
		r.done, err = ch.Recover(ctx)
	}
	r.after, r.failed = ch.Stats(), err != nil
	r.changes = since(changes, ch.History())
	if o.json {
		err = errors.Join(err, a.printJSON(newRepairsJSON(name, &r)))
	} else {
		err = errors.Join(err, a.print(name+": "+r.text()+"\n"))
	}
	if ch.Options().Lifetime == channel.Ephemeral {
		return err // not detached: an ephemeral channel could go with us
	}
	return first(err, ch.Close())
}

// repairs are what changed between two looks at a channel.
type repairs struct {
	before, after channel.Stats
	done          channel.Recovery
	changes       []state.Transition
	failed        bool
}

// since returns what is new in a later history.
func since(old, now []state.Transition) []state.Transition {
	if len(old) == 0 {
		return now
	}
	last := old[len(old)-1].Word
	for i, t := range now {
		if t.Word == last {
			return now[i+1:]
		}
	}
	return now
}

// settled returns the deaths that the log did not have before.
func (r *repairs) settled() []channel.Death {
	known := make(map[uint64]bool)
	for _, d := range r.before.Deaths {
		known[d.Instance] = true
	}
	var fresh []channel.Death
	for _, d := range r.after.Deaths {
		if !known[d.Instance] {
			fresh = append(fresh, d)
		}
	}
	return fresh
}

func (r *repairs) text() string {
	var parts []string
	if r.done.Killed != 0 {
		parts = append(parts, fmt.Sprintf("killed pid %d", r.done.Killed))
	}
	if r.before.State != r.after.State {
		was := "was " + r.before.State.String()
		if r.before.Reason != "" {
			was += " (" + r.before.Reason + ")"
		}
		parts = append(parts, was)
	}
	if n := r.done.Damaged; n > 0 {
		parts = append(parts, english.Plural(int(n), "damaged slot", "")+" given up")
	}
	for _, d := range r.settled() {
		parts = append(parts, fmt.Sprintf("settled the dead %s pid %d (%s)", d.Role, d.PID, d.Comm))
	}
	switch {
	case len(parts) > 0:
	case r.failed:
		parts = append(parts, "nothing was repaired")
	default:
		parts = append(parts, "there was nothing to repair")
	}
	if n := r.done.Holes; n > 0 {
		parts = append(parts,
			english.Plural(int(n), "unfilled slot", "")+" of the dead to be skipped")
	}
	if n := r.done.Kept; n > 0 {
		parts = append(parts, english.Plural(int(n), "message", "")+" kept")
	}
	return r.after.State.String() + ": " + strings.Join(parts, ", ")
}

// repairsJSON is what recover --json prints, also when it fails.
type repairsJSON struct {
	Name    string           `json:"name"`
	State   string           `json:"state" doc:"after it"`
	Reason  string           `json:"reason" doc:"of the state"`
	Before  string           `json:"before" doc:"the state when it came"`
	Killed  int              `json:"killed" doc:"pid; 0: nobody"`
	Corrupt uint64           `json:"corrupt" doc:"damaged words found"`
	Holes   uint64           `json:"holes" doc:"unfilled slots of the dead, which a receiver skips"`
	Kept    uint64           `json:"kept" doc:"messages that are there"`
	Deaths  []deathJSON      `json:"deaths" doc:"since then"`
	History []transitionJSON `json:"history" doc:"since then"`
}

func newRepairsJSON(name string, r *repairs) repairsJSON {
	j := repairsJSON{
		Name: name, State: r.after.State.String(), Reason: r.after.Reason,
		Before: r.before.State.String(), Corrupt: r.done.Damaged, Holes: r.done.Holes,
		Kept: r.done.Kept, Killed: r.done.Killed, Deaths: newDeathsJSON(r.settled()),
		History: []transitionJSON{},
	}
	for _, t := range r.changes {
		j.History = append(j.History, newTransitionJSON(t))
	}
	return j
}
