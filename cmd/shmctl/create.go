package main

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"shmring/channel"
)

func newCreateCmd(a *app) *cobra.Command {
	var ephemeral, persistent, asJSON bool
	var g *geometry
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a channel",
		Long: `Create makes a channel and prints what it made. The channel is persistent: it stays
until it is ended (close, or recv after a send --seal) or removed (rm). With --ephemeral it goes
with the last of those who attach to it from now on, unless messages are unread.`,
		Example: `  shmctl create tokens
  shmctl create blobs --slots 64 --arena 64MiB --mode 0660`,
		Args:              named(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions, // the name is a new one
		RunE: func(cmd *cobra.Command, args []string) error {
			o := g.opts
			o.OpenOptions = a.openOptions()
			if !ephemeral {
				o.Lifetime = channel.Persistent
			}
			ch, err := channel.Create(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			if asJSON {
				err = a.printJSON(newCreatedJSON(ch))
			} else {
				err = a.printCreated(ch)
			}
			if ephemeral {
				return err // not detached: an ephemeral channel would go with us
			}
			return first(err, ch.Close())
		},
	}
	flags := cmd.Flags()
	g = geometryFlags(flags)
	g.createFlags()
	flags.BoolVar(&ephemeral, "ephemeral", false, "remove it with the last who detaches")
	flags.BoolVar(&persistent, "persistent", false, "keep it until its end or rm (default)")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("ephemeral", "persistent")
	return cmd
}

func (a *app) printCreated(ch *channel.Channel) error {
	o := ch.Options()
	_, err := fmt.Fprintf(a.stdout, "%s: %s; %s; messages up to %s\n", ch.Path(), describe(o),
		strings.Join(optionNames(o), ", "), humanize.IBytes(uint64(ch.MaxMessage())))
	return writeError(err)
}

// createdJSON is what create --json prints.
type createdJSON struct {
	Name     string       `json:"name"`
	Path     string       `json:"path" doc:"of the file"`
	Instance string       `json:"instance" doc:"hexadecimal: a channel made anew has another one"`
	Geometry geometryJSON `json:"geometry"`
}

// geometryJSON is the geometry of a channel wherever it is printed.
type geometryJSON struct {
	Kind            string `json:"kind" doc:"mpsc, spsc"`
	Slots           int    `json:"slots" doc:"of the ring"`
	SlotSize        int    `json:"slot_size" doc:"bytes"`
	ArenaBytes      int    `json:"arena_bytes" doc:"0: none"`
	MaxParticipants int    `json:"max_participants" doc:"at a time"`
	MaxMessage      int    `json:"max_message" doc:"bytes of the largest message"`
	Persistent      bool   `json:"persistent" doc:"it stays until its end or rm"`
	Checksums       bool   `json:"checksums" doc:"messages are checked on receipt"`
	Timestamps      bool   `json:"timestamps" doc:"messages keep the time when they were accepted"`
}

func newCreatedJSON(ch *channel.Channel) createdJSON {
	return createdJSON{
		Name: ch.Name(), Path: ch.Path(), Instance: instanceText(ch.Instance()),
		Geometry: newGeometryJSON(ch.Options(), ch.MaxMessage()),
	}
}

func newGeometryJSON(o channel.Options, maxMessage int) geometryJSON {
	return geometryJSON{
		Kind: strings.ToLower(o.Kind.String()), Slots: o.Slots, SlotSize: o.SlotSize,
		ArenaBytes: max(o.ArenaBytes, 0), MaxParticipants: o.MaxParticipants,
		MaxMessage: maxMessage, Persistent: o.Lifetime == channel.Persistent,
		Checksums: o.Checksums, Timestamps: o.Timestamps,
	}
}
