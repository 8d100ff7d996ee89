package bench

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/measure"
	"shmring/internal/shmtest"
)

// Deaths. The engines of docs/RELIABILITY.md show that nobody is harmed; here is how long it
// takes until who waits for the dead knows.

// death kills a peer in each round while this process waits for it, and measures from the
// kill to the return of the call.
func death(role string, wait func(*channel.Channel) (what string, call func() error, err error),
) func(*run) {
	return func(r *run) {
		r.begin()
		r.start()
		lat := measure.NewLatency()
		for n := range r.n {
			r.check(r.die(fmt.Sprintf("death-%d", n), role, wait, lat))
		}
		r.stop()
		r.latency("", lat)
	}
}

func (r *run) die(
	name, role string, wait func(*channel.Channel) (string, func() error, error),
	lat *measure.Latency,
) error {
	ch, err := channel.Create(context.Background(), name, channel.Options{Kind: channel.SPSC})
	if err != nil {
		return err
	}
	c := shmtest.Start(r, peerName, fmt.Sprintf(
		`{"Kind":"doomed","Core":%d,"Channels":[%q,%q]}`, core(1), name, role))
	c.Expect("ready")
	what, call, err := wait(ch)
	if err != nil {
		return err
	}
	over := make(chan int64, 1)
	var told error
	go func() {
		told = call()
		over <- measure.Now()
	}()
	for !waitsFor(ch, what) {
		shmtest.Yield()
	}
	killed := measure.Now()
	c.Signal(unix.SIGKILL)
	lat.Record(<-over - killed)
	c.Kill() // collects it
	if !errors.Is(told, channel.ErrPeerDead) {
		return fmt.Errorf("the call returned %w", told)
	}
	return errors.Join(discard(ch), ch.Close())
}

// waitData waits in Recv for a sender.
func waitData(ch *channel.Channel) (string, func() error, error) {
	rx, err := ch.TryReceiver()
	return "data", func() error {
		_, err := rx.Recv(context.Background())
		return err
	}, err
}

// waitSpace waits in Send for a receiver.
func waitSpace(ch *channel.Channel) (string, func() error, error) {
	tx, err := ch.TrySender()
	for err == nil {
		err = tx.TrySend(nil)
	}
	if errors.Is(err, channel.ErrFull) {
		err = nil
	}
	return "space", func() error { return tx.Send(context.Background(), nil) }, err
}

// restart kills the only participant and measures how long its successor takes to have the
// channel of the same name.
func restart(r *run) {
	r.begin()
	ctx := context.Background()
	lat := measure.NewLatency()
	r.start()
	for n := range r.n {
		name := fmt.Sprintf("restart-%d", n)
		c := shmtest.Start(r, peerName, fmt.Sprintf(
			`{"Kind":"doomed","Core":%d,"Channels":[%q,"creator"]}`, core(1), name))
		c.Expect("ready")
		c.Kill()
		began := measure.Now()
		ch, err := channel.OpenOrCreate(ctx, name, channel.Options{Kind: channel.SPSC})
		lat.Record(measure.Now() - began)
		r.check(err)
		r.check(ch.Close())
		_, err = os.Stat(ch.Path())
		if !errors.Is(err, os.ErrNotExist) {
			r.Fatalf("%s was left: %v", ch.Path(), err)
		}
	}
	r.stop()
	r.latency("", lat)
}

// doomedPeer takes the role that the job names and waits to be killed.
func doomedPeer(p *peer) error {
	ctx := context.Background()
	unpin, err := measure.Pin(p.Core)
	if err != nil {
		return err
	}
	defer unpin()
	var ch *channel.Channel
	role := p.Channels[1]
	if role == "creator" {
		ch, err = channel.Create(ctx, p.Channels[0], channel.Options{Kind: channel.SPSC})
	} else {
		ch, err = p.open(0)
	}
	if err != nil {
		return err
	}
	if role == "receiver" {
		_, err = ch.TryReceiver()
	} else {
		_, err = ch.TrySender()
	}
	if err != nil {
		return err
	}
	p.conn.Say("ready")
	p.conn.Hear()
	return errors.New("not killed")
}
