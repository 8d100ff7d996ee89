//go:build linux && amd64 && !fault && !race

package channel_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
)

func registerAttachments() {
	ctx := context.Background()
	alone := func(t *testing.T, s *scene) { t.Helper(); s.create(t, false, false) }
	attached := func(a *actor) error { return a.open(false, false) }
	opens := &steppedCall{
		name: "open", ours: true,
		before: nothing, check: checkAttachment, prepare: alone,
		call: func(a *actor) error { return a.open(false, false) },
	}
	closes := &steppedCall{
		name: "close", some: 20, ours: true,
		check: checkAttachment, prepare: alone,
		before: func(a *actor) error { return a.open(true, true) },
		call:   func(a *actor) error { return a.ch.Close() },
	}
	creates := &steppedCall{
		name: "create", ours: true,
		before: nothing, check: checkAttachment,
		prepare: func(*testing.T, *scene) {},
		call: func(a *actor) (err error) {
			a.ch, err = channel.Create(ctx, a.name, sceneOptions)
			return err
		},
	}
	sender := &steppedCall{
		name: "sender", some: 20, ours: true,
		before: attached, check: checkAttachment, prepare: alone,
		call: func(a *actor) (err error) { a.tx, err = a.ch.Sender(ctx); return err },
	}
	receiver := &steppedCall{
		name: "receiver", some: 20, ours: true,
		before: attached, check: checkAttachment, prepare: alone,
		call: func(a *actor) (err error) { a.rx, err = a.ch.Receiver(ctx); return err },
	}
	register(opens, closes, creates, sender, receiver)
}

// checkAttachment shows that the dead left nothing: the roles can be had, and the channel
// goes with its last attachment.
func checkAttachment(s *scene) {
	ctx := s.t.Context()
	if s.ch == nil {
		var err error
		s.ch, err = channel.OpenOrCreate(ctx, s.name, sceneOptions)
		require.NoError(s.t, err, "%v", s)
		require.Empty(s.t, s.ch.Replaced(), "%v", s)
	}
	path := s.ch.Path()
	var err error
	s.tx, err = s.ch.TrySender()
	require.NoError(s.t, err, "%v", s)
	s.rx, err = s.ch.TryReceiver()
	require.NoError(s.t, err, "%v", s)
	s.goesOn()
	_, err = s.ch.Recover(ctx) // settles the dead
	require.NoError(s.t, err, "%v", s)
	require.Len(s.t, s.ch.Participants(), 2, "the dead is still listed: %v", s)
	s.gone(path)
}
