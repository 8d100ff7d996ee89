package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"shmring/channel"
)

func newEventShowCmd(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show an event and who has it open",
		Long: `Show shows the sequence and the value of an event, and who has it open and waits
for it. It takes no part itself and makes nothing.`,
		Example:           `  shmctl event show config --json`,
		Args:              named(0, 0),
		ValidArgsFunction: a.completeEvent,
		RunE: func(cmd *cobra.Command, args []string) error {
			o := a.openOptions()
			o.ReadOnly = true
			e, err := channel.OpenEvent(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			s := eventView{view: view{participants: e.Participants()}}
			s.seq, s.value, err = e.Load()
			if err = first(err, e.Close()); err != nil {
				return err
			}
			if s.entry, err = a.find(args[0]); err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(s.json())
			}
			return a.print(s.text())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// An eventView is what can be seen of an event without taking part in it.
type eventView struct {
	view
	seq   uint64
	value []byte
}

// text is the view for a person.
func (s *eventView) text() string {
	var b strings.Builder
	e := s.entry
	created := time.Unix(0, e.Header.CreatedNs)
	for _, line := range [][2]string{
		{"event", e.Name},
		{"sequence", humanize.Comma(int64(s.seq))},
		{"value", fmt.Sprintf("%q", s.value)},
		{"file", fmt.Sprintf("%s, %s, mode %04o, uid %d, gid %d", e.Path,
			humanize.IBytes(uint64(e.Size)), e.Mode.Perm(), e.UID, e.GID)},
		{"created", fmt.Sprintf("%s (%s) by pid %d (%s), uid %d", humanize.Time(created),
			created.Format(time.DateTime), e.Header.CreatorPID, creatorComm(e),
			e.Header.CreatorUID)},
		{"instance", instanceText(e.Header.Instance)},
		{"options", fmt.Sprintf("%s, %d participants", optionNames(s.options())[0],
			e.Geometry.MaxParticipants)},
	} {
		fmt.Fprintf(&b, "%-13s %s\n", line[0], line[1])
	}
	return b.String() + s.participantsText()
}

// eventJSON is what event show --json prints.
type eventJSON struct {
	Name     string       `json:"name"`
	Path     string       `json:"path" doc:"of the file"`
	Size     int64        `json:"file_size" doc:"bytes"`
	Mode     string       `json:"mode" doc:"permissions, octal"`
	UID      uint32       `json:"uid" doc:"of the owner"`
	GID      uint32       `json:"gid" doc:"of the owner"`
	Attached bool         `json:"attached" doc:"somebody is"`
	Instance string       `json:"instance" doc:"hexadecimal"`
	Created  time.Time    `json:"created"`
	Creator  *creatorJSON `json:"creator"`
	valueJSON
	Persistent      bool              `json:"persistent" doc:"it stays until rm"`
	MaxParticipants int               `json:"max_participants" doc:"at a time"`
	Participants    []participantJSON `json:"participants" doc:"whose messages are signals"`
}

func (s *eventView) json() eventJSON {
	j, o := newSummaryJSON(&s.view), s.options()
	return eventJSON{
		Name: j.Name, Path: j.Path, Size: j.Size, Mode: j.Mode, UID: j.UID, GID: j.GID,
		Attached: j.Attached, Instance: j.Instance, Created: *j.Created, Creator: j.Creator,
		valueJSON: newValueJSON(s.seq, s.value), Persistent: o.Lifetime == channel.Persistent,
		MaxParticipants: o.MaxParticipants, Participants: newParticipantsJSON(&s.view),
	}
}
