package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"shmring/channel"
	"shmring/manager"
)

// start runs a stage in a process of its own, and says how it ended. If that was badly, nobody
// has to wait any longer.
func start(
	ctx context.Context, cancel context.CancelCauseFunc, stage string,
) (<-chan error, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], stage)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	end := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if err != nil {
			err = fmt.Errorf("%s: %w", stage, err)
			cancel(err)
		}
		end <- err
	}()
	return end, nil
}

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
