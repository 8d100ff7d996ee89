package main

import (
	"context"
	"fmt"

	"shmring/manager"
)

// work answers jobs until they end, and says who ended them.
func work(ctx context.Context, m *manager.Manager) error {
	results, err := m.Channel("results")
	if err != nil {
		return err
	}
	n := 0
	err = each(ctx, m, "jobs", func(job []byte) error {
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
