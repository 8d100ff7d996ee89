package main

import (
	"context"

	"shmring/channel"
	"shmring/manager"
)

// send sends one message.
func send(ctx context.Context, m *manager.Manager, name string, payload []byte) error {
	c, err := m.Channel(name)
	if err != nil {
		return err
	}
	return c.Send(ctx, payload)
}

// each gives f every message, until the channel ends.
func each(
	ctx context.Context, m *manager.Manager, name string, f func(payload []byte) error,
) error {
	c, err := m.Channel(name)
	if err != nil {
		return err
	}
	rx, err := c.Receiver(ctx)
	if err != nil {
		return err
	}
	for msg, err := range rx.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := f(msg.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// receiver waits until somebody receives from a channel.
func receiver(ctx context.Context, m *manager.Manager, name string) error {
	c, err := m.Channel(name)
	if err != nil {
		return err
	}
	ch, err := c.Raw(ctx)
	if err != nil {
		return err
	}
	for change, err := range ch.Watch(ctx) {
		if err != nil || change.Kind == channel.Joined && change.Role.String() == "receiver" {
			return err
		}
	}
	return channel.ErrClosed
}
