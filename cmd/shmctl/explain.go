package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/manager"
)

// explain puts an error into words for the user of a verb, with what to do about it.
// The library's name for what it did gives way to the verb, which stands before it.
func explain(err error) string {
	text := err.Error()
	if badOptions(err) {
		_, after, _ := strings.Cut(text, layout.ErrInvalid.Error()+": ")
		return after
	}
	op, ok := errors.AsType[*channel.OpError](err)
	if !ok {
		text = strings.TrimPrefix(text, "manager: ")
		if _, cycle := errors.AsType[*manager.CycleError](err); cycle {
			text += ": shmctl deps rm A B takes one of them back"
		}
		return text
	}
	text = strings.TrimPrefix(text, op.Op+" ")
	text = strings.Replace(text, context.DeadlineExceeded.Error(), "time ran out", 1)
	if advice := remedy(err); advice != "" {
		text += ": " + strings.ReplaceAll(advice, "NAME", op.Name)
	}
	return text
}

// remedies are for errors whose own text has none. NAME stands for the channel. The
// first that fits counts.
var remedies = []struct {
	err    error
	advice string
}{
	{context.DeadlineExceeded, "shmctl stat NAME says who holds it up, and what to do"},
	{fs.ErrNotExist, "shmctl ls lists the channels, shmctl create NAME makes one"},
	{channel.ErrDraining, "shmctl recv NAME takes the rest and the end, then send can begin anew"},
}

func remedy(err error) string {
	if dead, ok := errors.AsType[*channel.PeerError](err); ok {
		if dead.Role == layout.RoleReceiver {
			return "shmctl recv NAME takes them, shmctl close NAME --force discards them"
		}
		return "what it had sent was delivered; shmctl stat NAME tells more"
	}
	op, ok := errors.AsType[*channel.OpError](err)
	if errors.Is(err, channel.ErrLayout) && !met(err) && (!ok || op.Op != "peek") {
		return "leave the flags out to take the channel as it is"
	}
	if ok && op.Op == "open event" && errors.Is(err, fs.ErrNotExist) {
		return "shmctl event signal NAME makes it"
	}
	if ok && op.Op == "wait" && errors.Is(err, context.DeadlineExceeded) {
		return "" // for an event: nobody has to signal it
	}
	for _, r := range remedies {
		if errors.Is(err, r.err) {
			return r.advice
		}
	}
	return ""
}
