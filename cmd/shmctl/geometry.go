package main

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"

	"shmring/channel"
)

// A geometry is what the flags of a command say about a channel to create.
type geometry struct {
	opts  channel.Options
	flags *pflag.FlagSet
}

// geometryFlags adds the flags that send and recv share with create.
func geometryFlags(flags *pflag.FlagSet) *geometry {
	g := &geometry{flags: flags}
	o := &g.opts
	flags.Var(kindValue{&o.Kind}, "kind", "mpsc: any number of senders; spsc: one")
	flags.IntVar(&o.Slots, "slots", 0, fmt.Sprintf(
		"slots of the ring, a power of two (default %d)", channel.DefaultSlots))
	flags.Var(sizeValue{n: &o.SlotSize}, "slot-size", fmt.Sprintf(
		"bytes of a slot, a power of two from 16 to 4096 (default %d)", channel.DefaultSlotSize))
	flags.Var(sizeValue{n: &o.ArenaBytes, none: channel.NoArena}, "arena", fmt.Sprintf(
		"bytes for messages larger than a slot, a power of two, or none (default %s)",
		humanize.IBytes(channel.DefaultArenaBytes)))
	return g
}

// createFlags adds the rest of what create can choose.
func (g *geometry) createFlags() {
	o, flags := &g.opts, g.flags
	flags.IntVar(&o.MaxParticipants, "participants", 0, fmt.Sprintf(
		"senders, receivers and controllers at a time, 4 to 256 (default %d)",
		channel.DefaultMaxParticipants))
	flags.Var(modeValue{&o.Mode}, "mode", "permissions, whatever the umask (default 0600)")
	flags.BoolVar(&o.Checksums, "checksums", false, "check every message on receipt")
	flags.BoolVar(&o.Timestamps, "timestamps", false, "keep when each message was accepted")
}

// chosen reports whether a flag about the geometry was given.
func (g *geometry) chosen() bool {
	for _, name := range []string{"kind", "slots", "slot-size", "arena"} {
		if g.flags.Changed(name) {
			return true
		}
	}
	return false
}

// fits reports whether an existing channel is what the given flags ask for. Flags that
// were not given ask for nothing.
func (g *geometry) fits(have channel.Options) bool {
	want := g.opts
	for _, f := range []struct {
		name string
		same bool
	}{
		{"kind", have.Kind == want.Kind},
		{"slots", have.Slots == want.Slots},
		{"slot-size", have.SlotSize == want.SlotSize},
		{"arena", have.ArenaBytes == want.ArenaBytes},
	} {
		if g.flags.Changed(f.name) && !f.same {
			return false
		}
	}
	return true
}

// describe puts the geometry of a channel into words.
func describe(o channel.Options) string {
	arena := "no arena"
	if o.ArenaBytes > 0 {
		arena = "arena " + humanize.IBytes(uint64(o.ArenaBytes))
	}
	return fmt.Sprintf("%s, %s slots of %s, %s, %d participants", o.Kind,
		humanize.Comma(int64(o.Slots)), humanize.IBytes(uint64(o.SlotSize)), arena,
		o.MaxParticipants)
}

// optionNames names the choices besides the geometry.
func optionNames(o channel.Options) []string {
	names := []string{"ephemeral"}
	if o.Lifetime == channel.Persistent {
		names[0] = "persistent"
	}
	if o.Checksums {
		names = append(names, "checksums")
	}
	if o.Timestamps {
		names = append(names, "timestamps")
	}
	return names
}
