package main

import (
	"context"
	"fmt"

	"shmring/channel"
	"shmring/manager"
)

// work answers jobs until they end, and says who ended them.
func work(ctx context.Context, m *manager.Manager) error {
	results, err := m.Channel("results")
	if err != nil {
		return err
	}
	n := 0
	rx, err := receiver(ctx, m, "jobs")
	if err != nil {
		return err
	}
	err = each(ctx, rx, func(job []byte) error {
		n++
		return results.Send(ctx, job)
	})
	if err != nil {
		return err
	}
	jobs, err := m.Channel("jobs")
	if err != nil {
		return err
	}
	ch, err := jobs.Raw(ctx)
	if err != nil {
		return err
	}
	plan, _ := ch.Plan()
	fmt.Printf("worker did %d jobs until %q\n", n, plan.Reason)
	return nil
}

// receiver opens a channel for receiving, and makes it if it is not there yet.
func receiver(ctx context.Context, m *manager.Manager, name string) (*channel.Receiver, error) {
	c, err := m.Channel(name)
	if err != nil {
		return nil, err
	}
	return c.Receiver(ctx)
}

// each gives f every message, until the channel ends.
func each(ctx context.Context, rx *channel.Receiver, f func(payload []byte) error) error {
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
