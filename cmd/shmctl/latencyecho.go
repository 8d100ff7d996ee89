package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"shmring/channel"
)

const echoVerb = "latency-echo"

// newEchoCmd is the other process of latency.
func newEchoCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    echoVerb + " SPIN",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			spin, err := time.ParseDuration(args[0])
			if err != nil {
				return usagef("%v", err)
			}
			return a.echo(cmd.Context(), spin)
		},
	}
}

// echo sends back what comes in, until the end.
func (a *app) echo(ctx context.Context, spin time.Duration) error {
	o := channel.OpenOptions{Dir: a.segmentDir(), Spin: spin, RequirePeer: true}
	in, err := channel.OpenFile(os.NewFile(3, "there"), o)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // the process ends
	out, err := channel.OpenFile(os.NewFile(4, "back"), o)
	if err != nil {
		return err
	}
	defer out.Close() //nolint:errcheck // the process ends
	tx, err := out.Sender(ctx)
	if err != nil {
		return err
	}
	rx, err := in.Receiver(ctx)
	if err != nil {
		return err
	}
	for {
		m, err := rx.Recv(ctx)
		if errors.Is(err, io.EOF) || errors.Is(err, channel.ErrPeerDead) {
			return nil
		}
		if err != nil {
			return err
		}
		err = tx.Send(ctx, m.Bytes())
		m.Release()
		if err != nil {
			return err
		}
	}
}

// A pinger is the measuring side of latency.
type pinger struct {
	o     latencyOptions
	there *channel.Channel
	back  *channel.Channel
	tx    *channel.Sender
	rx    *channel.Receiver
	cmd   *exec.Cmd
	ended chan error // of the echo process
}

// newPinger makes the channels and starts the echo process. Gone is called when that ends.
func (a *app) newPinger(
	ctx context.Context, o latencyOptions, gone func(error),
) (p *pinger, err error) {
	p = &pinger{o: o, ended: make(chan error, 1)}
	spin := time.Duration(0)
	if o.noSpin {
		spin = -1
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to run it as the echo: %w", err)
	}
	p.cmd = exec.Command(self, echoVerb, "--", spin.String())
	p.cmd.Stderr = a.stderr
	for _, ch := range []**channel.Channel{&p.there, &p.back} {
		*ch, err = channel.Create(ctx, "", channel.Options{
			Kind: channel.SPSC, Slots: 16, Nameless: true,
			OpenOptions: channel.OpenOptions{Dir: a.segmentDir(), Spin: spin},
		})
		if err != nil {
			return nil, first(err, p.close())
		}
		f, err := (*ch).File()
		if err != nil {
			return nil, first(err, p.close())
		}
		defer f.Close() //nolint:errcheck // the child has it
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, f)
	}
	if p.tx, err = p.there.Sender(ctx); err == nil {
		p.rx, err = p.back.Receiver(ctx)
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, first(err, p.close())
	}
	go func() {
		err := p.cmd.Wait()
		p.ended <- err
		gone(fmt.Errorf("the echo process has ended: %v", p.cmd.ProcessState))
	}()
	return p, nil
}

// close ends the echo process and what it had.
func (p *pinger) close() error {
	var errs []error
	if p.there != nil {
		errs = append(errs, p.there.Seal("done"))
	}
	if p.cmd.Process != nil {
		errs = append(errs, <-p.ended)
	}
	for _, ch := range []*channel.Channel{p.there, p.back} {
		if ch != nil {
			errs = append(errs, ch.Close())
		}
	}
	return first(errs...)
}

// sample measures one round trip.
func (p *pinger) sample(ctx context.Context, message []byte) (time.Duration, error) {
	begin := time.Now()
	if err := p.tx.Send(ctx, message); err != nil {
		return 0, err
	}
	m, err := p.rx.Recv(ctx)
	if err != nil {
		return 0, err
	}
	took := time.Since(begin)
	m.Release()
	return took, nil
}
