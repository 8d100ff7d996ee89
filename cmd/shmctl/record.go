package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"shmring/channel"
)

// recordOptions are the flags of record.
type recordOptions struct {
	geometry *geometry
	tee      string
	appends  bool
	count    int
	limit    int
	timeout  time.Duration
}

func newRecordCmd(a *app) *cobra.Command {
	var o recordOptions
	cmd := &cobra.Command{
		Use:   "record NAME FILE",
		Short: "Receive messages into a file, with their times",
		Long: `Record is a receiver that writes each message with its time to a file, for replay.
With --tee it passes each message on to another channel, whose receiver does the work meanwhile,
and at the end it ends that one, too. A message leaves the channel only after it was written,
and passed on.

The time of a message is when it was sent, if the channel keeps that (create --timestamps), else
when it was received. FILE must not exist, unless --append; - is the standard output. After a
kill the file ends in the middle of a record at most, which replay and --append find and say. It
is not flushed to the disk.

At the end of the channel record removes it and returns 0, as recv does.`,
		Example: `  shmctl record requests monday.rec
  shmctl record requests monday.rec --tee requests.real
  shmctl record requests - | zstd > monday.rec.zst`,
		Args:              named(1, 1),
		ValidArgsFunction: a.completeNameAndFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.count < 0 || o.limit < 0:
				return usagef("--count and --limit: want more than nothing")
			case o.timeout < 0:
				return usagef("--timeout %s is negative", o.timeout)
			case o.tee == args[0]:
				return usagef("--tee %s: that is the channel to record", o.tee)
			}
			return a.record(cmd.Context(), args[0], args[1], o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.tee, "tee", "", "pass each message on to that channel")
	flags.BoolVar(&o.appends, "append", false, "go on with a file that is there")
	flags.IntVarP(&o.count, "count", "n", 0, "return after that many messages")
	flags.Var(sizeValue{n: &o.limit}, "limit", "return when the file has that size, as 64MiB")
	flags.DurationVar(&o.timeout, "timeout", 0, "longest wait for a message (default for ever)")
	_ = cmd.RegisterFlagCompletionFunc("tee", a.completeNames) // only fails for an unknown flag
	o.geometry = geometryFlags(flags)
	return cmd
}

// A recording is one run of record.
type recording struct {
	o     recordOptions
	w     io.Writer
	start time.Time // of the file
	size  int64     // of the file
	done  int
	buf   []byte
	rx    *channel.Receiver
	tee   *sending // nil: none
}

func (a *app) record(ctx context.Context, name, file string, o recordOptions) (err error) {
	r := recording{o: o}
	closeFile, err := r.open(a, file)
	if err != nil {
		return err
	}
	defer func() { err = first(err, closeFile()) }()
	if o.tee != "" {
		var end func(error) error
		if end, err = r.openTee(ctx, a); err != nil {
			return err
		}
		defer func() { err = first(err, end(err)) }()
	}
	err = a.recordChannel(ctx, name, &r)
	_, _ = fmt.Fprintf(a.stderr, "recorded %s, the file has %s\n", // only a notice
		english.Plural(r.done, "message", ""), humanize.IBytes(uint64(r.size)))
	return err
}

// open opens or creates the file, and writes its header.
func (r *recording) open(a *app, path string) (done func() error, err error) {
	r.start = time.Now()
	if path == "-" {
		r.w = a.stdout
		if r.o.appends {
			return nil, usagef("--append is for a file with a name")
		}
		return func() error { return nil }, r.write(appendRecordHeader(nil, r.start))
	}
	flags := os.O_CREATE | os.O_EXCL | os.O_RDWR
	if r.o.appends {
		flags = os.O_CREATE | os.O_RDWR
	}
	f, err := os.OpenFile(path, flags, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, usagef("%s is there already: remove it, or use --append", path)
	case err != nil:
		return nil, &fileError{err}
	}
	r.w = f
	if info, serr := f.Stat(); serr != nil || info.Size() == 0 {
		err = first(serr, r.write(appendRecordHeader(nil, r.start)))
	} else {
		err = r.continueFile(a, f)
	}
	if err != nil {
		return nil, first(err, f.Close())
	}
	return f.Close, nil
}

// continueFile goes to the end of the whole records of a file.
func (r *recording) continueFile(a *app, f *os.File) error {
	records, err := newRecordReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	r.start = records.start
	for err == nil {
		_, err = records.next()
	}
	if torn, ok := errors.AsType[*tornError](err); ok {
		_, _ = fmt.Fprintf(a.stderr, "%s: %v: cut off\n", f.Name(), torn) // only a notice
		err = f.Truncate(records.at)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	r.size = records.at
	_, err = f.Seek(records.at, io.SeekStart)
	return err
}

func (r *recording) write(p []byte) error {
	n, err := r.w.Write(p)
	r.size += int64(n)
	return writeError(err)
}

// openTee opens the channel to pass on to. The function that it returns detaches, after
// having ended that channel if the recorded one ended.
func (r *recording) openTee(ctx context.Context, a *app) (end func(error) error, err error) {
	ch, err := a.attach(ctx, r.o.tee, r.o.geometry, true)
	if err != nil {
		return nil, err
	}
	r.tee = &sending{ch: ch}
	if r.tee.tx, err = ch.Sender(ctx); err != nil {
		return nil, first(err, leave(ch))
	}
	return func(err error) error {
		cerr := r.tee.tx.Close()
		if err == nil && r.ended() {
			cerr = first(cerr, ch.Seal("end of "+r.rx.Channel().Name()))
		}
		return first(cerr, leave(ch))
	}, nil
}

// ended reports whether the recorded channel came to its end, not to a limit of ours.
func (r *recording) ended() bool { return r.rx != nil && !r.enough() }

func (r *recording) enough() bool {
	return r.o.count > 0 && r.done >= r.o.count || r.o.limit > 0 && r.size >= int64(r.o.limit)
}

// recordChannel receives until the end of the channel, which it finishes, or a limit.
func (a *app) recordChannel(ctx context.Context, name string, r *recording) error {
	ch, err := a.attach(ctx, name, r.o.geometry, false)
	if err != nil {
		return err
	}
	tctx, cancel := bounded(ctx, r.o.timeout)
	r.rx, err = ch.Receiver(tctx)
	cancel()
	if err != nil {
		return first(err, leave(ch))
	}
	err = r.run(ctx)
	if errors.Is(err, io.EOF) {
		return first(r.rx.Close(), finish(ctx, ch), ch.Close())
	}
	return first(err, r.rx.Close(), leave(ch))
}

// run records until a limit; io.EOF at the end of the channel.
func (r *recording) run(ctx context.Context) error {
	for !r.enough() {
		tctx, cancel := bounded(ctx, r.o.timeout)
		m, err := r.rx.Recv(tctx)
		cancel()
		if err != nil {
			return err
		}
		at := m.Sent()
		if at.IsZero() {
			at = time.Now()
		}
		payload := m.Clone() // checked and written once
		r.buf = appendRecord(r.buf[:0], at.Sub(r.start), m.Redelivered(), payload)
		if err := r.write(r.buf); err != nil {
			return err
		}
		if r.tee != nil {
			if err := r.tee.put(ctx, [][]byte{payload}); err != nil {
				return err
			}
		}
		m.Release()
		r.done++
	}
	return nil
}
