package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"shmring/channel"
)

// recvOptions are the flags of recv.
type recvOptions struct {
	geometry *geometry
	lines    bool
	raw      bool
	json     bool
	hex      bool
	follow   bool
	count    int
	timeout  time.Duration
}

func newRecvCmd(a *app) *cobra.Command {
	var o recvOptions
	cmd := &cobra.Command{
		Use:   "recv NAME",
		Short: "Receive messages",
		Long: `Recv writes each message to the standard output and a newline after it (--lines,
the default), or its bytes and nothing else (--raw), or a JSON object a line (--json), or a dump
of its bytes (--hex). It creates an ephemeral channel if there is none, and uses one that is
there whatever its geometry, unless flags ask for another. While another recv has the channel,
it waits.

A message leaves the channel only after it was written. When the reader of the output goes away,
recv ends with 0 and what it had not written stays for the next one. What a pipe had taken is
gone with its reader: to take one message, use --count 1, not "| head -1".

At the end of the channel (send --seal, close) recv removes it and returns 0; with --follow it
waits for the next channel of that name. With --count it returns after that many messages and
leaves the rest, and the end, to others; if the end comes first it returns 6. When the only
sender dies, recv writes all that it had sent and returns 9.`,
		Example: `  shmctl recv q
  shmctl recv q -f --json
  shmctl recv q --raw > file
  while line=$(shmctl recv q --count 1); do echo "got $line"; done`,
		Args:              named(0, 0),
		ValidArgsFunction: a.completeName,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.count < 0 || cmd.Flags().Changed("count") && o.count == 0:
				return usagef("--count %d: want 1 or more", o.count)
			case o.timeout < 0:
				return usagef("--timeout %s is negative", o.timeout)
			}
			return a.recv(cmd.Context(), args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.lines, "lines", "l", false, "write a newline after each message (default)")
	flags.BoolVar(&o.raw, "raw", false, "write the bytes of the messages and nothing else")
	flags.BoolVar(&o.json, "json", false, "write a JSON object a line for each message")
	flags.BoolVar(&o.hex, "hex", false, "write position, size and bytes of each message in hex")
	flags.BoolVarP(&o.follow, "follow", "f", false, "wait for the next channel after the end")
	flags.BoolVarP(&o.follow, "follow-name", "F", false, "as --follow")
	_ = flags.MarkHidden("follow-name") // as tail spells it; only fails for an unknown flag
	flags.IntVarP(&o.count, "count", "n", 0, "return after that many messages")
	flags.DurationVar(&o.timeout, "timeout", 0, "longest wait for a message (default for ever)")
	cmd.MarkFlagsMutuallyExclusive("lines", "raw", "json", "hex")
	o.geometry = geometryFlags(flags)
	return cmd
}

func (a *app) recv(ctx context.Context, name string, o recvOptions) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p, err := newPoller(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	out := newOutput(a.stdout, p)
	stop, err := out.onGone(cancel)
	if err != nil {
		return err
	}
	defer stop()
	r := receiving{out: out, o: o, format: formatOf(o)}
	for {
		ended, err := a.recvChannel(ctx, name, &r)
		switch {
		case errors.Is(err, channel.ErrPeerDead) && o.follow:
			a.complain("recv", err)
		case err != nil || !ended:
			return err
		case o.follow:
		case o.count > 0:
			return fmt.Errorf("%w: %s ended after %d of %d messages",
				channel.ErrClosed, name, r.done, o.count)
		default:
			return nil
		}
	}
}

// recvChannel receives from one channel until its end, which it finishes, or until the
// count is reached.
func (a *app) recvChannel(ctx context.Context, name string, r *receiving) (ended bool, err error) {
	ch, err := a.attach(ctx, name, r.o.geometry, false)
	if err != nil {
		return false, err
	}
	tctx, cancel := bounded(ctx, r.o.timeout)
	r.rx, err = ch.Receiver(tctx)
	cancel()
	if err != nil {
		return false, first(err, leave(ch))
	}
	err = r.run(ctx)
	if errors.Is(err, io.EOF) {
		return true, first(r.rx.Close(), finish(ctx, ch), ch.Close())
	}
	// Messages that were not written are held until this process ends: that leaves them
	// to the next receiver.
	return false, first(err, r.rx.Close(), leave(ch))
}

// finishTime bounds the last steps of a channel that is at its end.
const finishTime = 5 * time.Second

// finish removes a channel whose end was received. A signal does not stop that.
func finish(ctx context.Context, ch *channel.Channel) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	_, err := ch.Shutdown(ctx, channel.ShutdownOptions{Reason: ch.Reason()})
	return err
}

// A receiving is one run of recv.
type receiving struct {
	rx     *channel.Receiver
	out    *output
	o      recvOptions
	format format
	batch  []channel.Message
	buf    []byte
	ends   []int // where the messages in buf end
	done   int   // messages written and released
	size   int   // mean bytes of a message in the last write
}

// batchMost is how many messages are received at a time, at most half the ring: the
// senders fill the other half meanwhile.
const batchMost = 1024

func (r *receiving) run(ctx context.Context) error {
	most := max(min(r.rx.Channel().Options().Slots/2, batchMost), 1)
	r.batch = make([]channel.Message, most)
	for r.o.count == 0 || r.done < r.o.count {
		if err := r.out.ready(); err != nil {
			return err
		}
		tctx, cancel := bounded(ctx, r.o.timeout)
		n, err := r.rx.RecvBatch(tctx, r.batch[:r.next(most)])
		cancel()
		if err != nil {
			return err
		}
		if err := r.write(r.batch[:n]); err != nil {
			return err
		}
	}
	return nil
}

// next returns how many messages to receive. A pipe takes no more than a chunk for
// sure, and what is in hand when its reader goes away can only be left to the next
// receiver as the dead leave it: so take as many as have fitted lately.
func (r *receiving) next(most int) int {
	if r.o.count > 0 {
		most = min(most, r.o.count-r.done)
	}
	if r.out.piped && r.size > 0 {
		most = min(most, max(pipeChunk/r.size, 1))
	}
	return most
}

// writeSize is how much is gathered for one write.
const writeSize = 128 << 10

// write writes messages and releases each of them once it is out.
func (r *receiving) write(batch []channel.Message) error {
	first := 0
	for i, m := range batch {
		var err error
		if r.buf, err = r.format(r.buf, m); err != nil {
			return err
		}
		r.ends = append(r.ends, len(r.buf))
		if len(r.buf) < writeSize && i < len(batch)-1 {
			continue
		}
		r.size = len(r.buf) / len(r.ends)
		n, err := r.out.Write(r.buf)
		for k, end := range r.ends {
			if end > n {
				break
			}
			batch[first+k].Release()
			r.done++
		}
		if err != nil {
			return err
		}
		first = i + 1
		r.buf, r.ends = r.buf[:0], r.ends[:0]
	}
	return nil
}
