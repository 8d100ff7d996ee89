package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/internal/measure"
)

// benchPeerName is the hidden command that the other process of bench runs.
const benchPeerName = "bench-peer"

func newBenchPeerCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: benchPeerName + " JOB", Hidden: true, Args: cobra.ExactArgs(1),
		Short: "Be the other side (used by bench)",
		RunE: func(cmd *cobra.Command, args []string) error {
			p := &benchPeer{say: a.stdout, hear: bufio.NewReader(a.stdin)}
			if err := json.Unmarshal([]byte(args[0]), &p.benchJob); err != nil {
				return usagef("job: %w", err)
			}
			return p.run(cmd.Context())
		},
	}
}

// A benchPeer is the other side, in its process.
type benchPeer struct {
	benchJob
	out, in *channel.Channel
	tx      *channel.Sender
	rx      *channel.Receiver
	bufs    [][]byte
	say     io.Writer
	hear    *bufio.Reader
}

func (p *benchPeer) run(ctx context.Context) (err error) {
	o := channel.OpenOptions{Dir: p.Dir, Spin: p.Case.spin()}
	if p.out, err = channel.Open(ctx, p.Out, o); err != nil {
		return err
	}
	defer func() { err = first(err, p.out.Close()) }()
	if p.tx, err = p.out.Sender(ctx); err != nil {
		return err
	}
	if p.In != "" {
		if p.in, err = channel.Open(ctx, p.In, o); err != nil {
			return err
		}
		defer func() { err = first(err, p.in.Close()) }()
		if p.rx, err = p.in.Receiver(ctx); err != nil {
			return err
		}
	}
	for range p.Case.Batch {
		p.bufs = append(p.bufs, make([]byte, p.Case.Size))
	}
	unpin, err := measure.Pin(p.Core)
	if err != nil {
		return err
	}
	defer unpin()
	return p.obey(ctx)
}

// obey carries out orders until there are no more.
func (p *benchPeer) obey(ctx context.Context) error {
	if err := p.answer(measure.Spending{}); err != nil { // ready
		return err
	}
	for {
		line, err := p.hear.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var o benchOrder
		if err := json.Unmarshal(line, &o); err != nil {
			return err
		}
		before := measure.Spent(nil)
		measure.SleepUntil(o.Start)
		if p.rx != nil {
			err = p.echo(ctx, o)
		} else {
			err = p.send(ctx, o)
		}
		if err != nil {
			return err
		}
		spent := measure.Spent(nil).Minus(before)
		p.out.Participants() // brings what it counts up to date
		if err := p.answer(spent); err != nil {
			return err
		}
	}
}

func (p *benchPeer) answer(s measure.Spending) error {
	text, err := json.Marshal(s)
	if err == nil {
		_, err = fmt.Fprintf(p.say, "%s\n", text)
	}
	return err
}

// send sends until the order or the channel ends.
func (p *benchPeer) send(ctx context.Context, o benchOrder) error {
	plan := measure.Plan{Batch: p.Case.Batch, Start: o.Start}
	if o.Start != 0 {
		plan.Every = p.Case.every()
	}
	for n := o.From; n < o.To; {
		k := min(uint64(p.Case.Batch), o.To-n)
		plan.Await(n - o.From)
		err := p.put(ctx, n, int(k))
		if errors.Is(err, channel.ErrDraining) || errors.Is(err, channel.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		n += k
	}
	return nil
}

// put sends the messages from n on: one in place, several from buffers.
func (p *benchPeer) put(ctx context.Context, n uint64, count int) error {
	if count == 1 && p.Case.Size > channel.DefaultSlotSize {
		return benchSend(ctx, p.tx, p.Case.Size, n)
	}
	for i, b := range p.bufs[:count] {
		measure.Fill(b, n+uint64(i), 0)
	}
	if count == 1 {
		return p.tx.Send(ctx, p.bufs[0])
	}
	for bufs := p.bufs[:count]; len(bufs) > 0; {
		k, err := p.tx.SendBatch(ctx, bufs)
		if err != nil {
			return err
		}
		bufs = bufs[k:]
	}
	return nil
}

// benchSend writes a message where it will be read.
func benchSend(ctx context.Context, tx *channel.Sender, size int, n uint64) error {
	l, err := tx.Reserve(ctx, size)
	if err != nil {
		return err
	}
	measure.Fill(l.Bytes(), n, 0)
	return l.Commit(size)
}

// echo sends back what comes, until the order or the channel ends.
func (p *benchPeer) echo(ctx context.Context, o benchOrder) error {
	for n := o.From; n < o.To; n++ {
		m, err := p.rx.Recv(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !measure.Sound(m.Bytes(), n) {
			return fmt.Errorf("message %d is not what was sent", n)
		}
		if err := p.tx.Send(ctx, m.Bytes()); err != nil {
			return err
		}
		m.Release()
	}
	return nil
}
