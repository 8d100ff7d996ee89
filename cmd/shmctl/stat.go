package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/shm"
)

func newStatCmd(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stat NAME",
		Short: "Show everything about one channel",
		Long: `Stat shows one channel: geometry, state and why, who takes part and what each one
does or waits for, what was counted, the last changes of state and the last deaths. It takes no
part itself and disturbs nobody. Of a segment that cannot be read as a channel it shows what the
directory says, and returns 7 or 4.`,
		Example: `  shmctl stat q
  shmctl stat q --json | jq -r '.troubles[] | .what, .remedy'`,
		Args:              named(0, 0),
		ValidArgsFunction: a.completeName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := shm.CheckName(args[0]); err != nil {
				return err
			}
			e, err := a.find(args[0])
			if err != nil {
				return err
			}
			v := a.look(cmd.Context(), e)
			if asJSON {
				return errors.Join(a.printJSON(newStatJSON(&v)), v.err)
			}
			return errors.Join(a.print(v.text()), v.err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// text is the view for a person.
func (v *view) text() string {
	var b strings.Builder
	e := v.entry
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-13s %s\n", label, fmt.Sprintf(format, args...))
	}
	line("channel", "%s", e.Name)
	if v.reason == "" {
		line("state", "%s", v.state)
	} else {
		line("state", "%s: %s", v.state, v.reason)
	}
	line("file", "%s, %s, mode %04o, uid %d, gid %d", e.Path, humanize.IBytes(uint64(e.Size)),
		e.Mode.Perm(), e.UID, e.GID)
	line("attached", "%s", map[bool]string{true: "yes", false: "nobody"}[e.Attached])
	if v.readable() {
		v.headerText(line)
	}
	if v.err == nil {
		v.countersText(line)
		for _, section := range []string{
			v.troublesText(), v.participantsText(), v.historyText(), v.deathsText(),
		} {
			b.WriteString(section)
		}
	}
	return b.String()
}

func (v *view) headerText(line func(label, format string, args ...any)) {
	h := v.entry.Header
	created := time.Unix(0, h.CreatedNs)
	line("created", "%s (%s) by pid %d (%s), uid %d", humanize.Time(created),
		created.Format(time.DateTime), h.CreatorPID, creatorComm(v.entry), h.CreatorUID)
	line("instance", "%s", instanceText(h.Instance))
	line("geometry", "%s; messages up to %s", describe(v.options()),
		humanize.IBytes(uint64(v.entry.Geometry.MaxMessage())))
	line("options", "%s", strings.Join(optionNames(v.options()), ", "))
}

func (v *view) countersText(line func(label, format string, args ...any)) {
	s := v.stats
	line("depth", "%s of %s slots", humanize.Comma(int64(s.Depth)), humanize.Comma(int64(s.Slots)))
	if s.ArenaBytes > 0 {
		line("arena", "%s of %s in use", humanize.IBytes(s.ArenaUsed),
			humanize.IBytes(s.ArenaBytes))
	}
	line("sent", "%s messages, %s", humanize.Comma(int64(s.Sent)), humanize.IBytes(s.SentBytes))
	line("received", "%s messages, %s", humanize.Comma(int64(s.Received)),
		humanize.IBytes(s.ReceivedBytes))
	for _, n := range []struct {
		label string
		n     uint64
		what  string
	}{
		{"holes", s.Holes, "slots of senders that died before they had filled them"},
		{"aborted", s.Aborted, "slots given back unsent"},
		{"discarded", s.Discarded, "messages discarded by a forced close"},
		{"not delivered", s.NotDelivered, "messages at most, whose receiver did not answer"},
		{"corrupt", s.Corrupt, "impossible words found"},
	} {
		if n.n > 0 {
			line(n.label, "%s %s", humanize.Comma(int64(n.n)), n.what)
		}
	}
}

// Conditions of a participant.
const (
	conditionAlive   = "alive"
	conditionDead    = "dead"
	conditionStopped = "stopped"
	conditionClosing = "closing"
	conditionBusy    = "busy"
	conditionStuck   = "stuck"
)

// condition is one word for how a participant is.
func (v *view) condition(p channel.Participant) string {
	still := time.Since(p.Progress) > channel.DefaultStallAfter
	works := p.Reserved > 0 || p.Role == layout.RoleReceiver && v.stats.Depth > 0
	switch {
	case !p.Alive:
		return conditionDead
	case p.Stopped:
		return conditionStopped
	case p.Closing:
		return conditionClosing
	case p.Busy != "":
		return conditionBusy
	case works && still && p.Waiting == "":
		return conditionStuck
	}
	return conditionAlive
}

func (v *view) participantsText() string {
	t := newTable(">PLACE", "ROLE", "WHO", "SINCE", "CONDITION", "WAITS FOR", ">HELD", ">RESERVED",
		"PROGRESS", ">MESSAGES", ">BYTES", ">WAITS", ">PARKS", ">WAKES")
	t.indent = "  "
	for _, p := range v.participants {
		condition := v.condition(p)
		if condition == conditionBusy {
			condition = p.Busy
		}
		waiting := p.Waiting
		if waiting != "" && p.WaitingTime > 0 {
			waiting += ", " + shortTime(p.WaitingTime)
		}
		t.row(fmt.Sprint(p.Place), p.Role.String(), p.Who, humanize.Time(p.Since), condition,
			waiting, fmt.Sprint(p.Held), fmt.Sprint(p.Reserved), humanize.Time(p.Progress),
			humanize.Comma(int64(p.Messages)), humanize.IBytes(p.Bytes), fmt.Sprint(p.Waits),
			fmt.Sprint(p.Parks), fmt.Sprint(p.Wakes))
	}
	if t.empty() {
		return "participants  none\n"
	}
	return "participants\n" + t.String()
}

func (v *view) historyText() string {
	t := newTable(">EPOCH", "FROM", "TO", "WHEN", "BY", "REASON")
	t.indent = "  "
	for _, tr := range v.history {
		to := tr.Word.State().String()
		if tr.Word.Forced() {
			to += ", forced"
		}
		by := shm.Describe(tr.By.PID, tr.By.PIDNS, tr.By.Start, tr.By.Comm)
		t.row(fmt.Sprint(tr.Word.Epoch()), tr.From.State().String(), to, humanize.Time(tr.At), by,
			tr.Reason)
	}
	if t.empty() {
		return ""
	}
	return "history\n" + t.String()
}

func (v *view) deathsText() string {
	t := newTable(">CLAIM", "ROLE", "PID", "NAME", "WHEN")
	t.indent = "  "
	for _, d := range v.stats.Deaths {
		t.row(fmt.Sprint(d.Instance), d.Role.String(), fmt.Sprint(d.PID), d.Comm,
			humanize.Time(d.At))
	}
	if t.empty() {
		return ""
	}
	return "deaths\n" + t.String()
}
