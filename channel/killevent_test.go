//go:build fault

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"shmring/channel"
	"shmring/internal/layout"
)

func init() {
	parts["signaller"] = partSignaller
	parts["listener"] = partListener
	parts["overtaken"] = partOvertaken
	parts["eventopener"] = partEventOpener
}

func eventOptions(dir string) channel.EventOptions {
	return channel.EventOptions{
		MaxParticipants: 6, Lifetime: channel.Persistent,
		OpenOptions: channel.OpenOptions{Dir: dir},
	}
}

// partSignaller signals values of its own, and notes which sequence each had.
func partSignaller(p *victimPart) error {
	e, err := channel.OpenEvent(p.ctx, "e", channel.OpenOptions{Dir: p.dir})
	if err != nil {
		return err
	}
	for i := range uint64(6) {
		seq, err := e.Signal(signalValue(p.number, 100+i))
		if err != nil {
			return err
		}
		p.book.did.Store(seq)
	}
	return e.Close()
}

// partListener sleeps several times for a moment.
func partListener(p *victimPart) error {
	e, err := channel.OpenEvent(p.ctx, "e", channel.OpenOptions{Dir: p.dir, Spin: -1})
	if err != nil {
		return err
	}
	seq := uint64(0)
	for range 3 {
		ctx, cancel := context.WithTimeout(p.ctx, moment)
		var value []byte
		now, value, err := e.Wait(ctx, seq)
		cancel()
		if err == nil {
			seq = now
			err = checkSignal(value)
		}
		if !isExpected(err) {
			return err
		}
	}
	return e.Close()
}

// partOvertaken is a reader whose buffer is written again while it looks.
func partOvertaken(p *victimPart) error {
	e, err := channel.OpenEvent(p.ctx, "e", channel.OpenOptions{Dir: p.dir})
	if err != nil {
		return err
	}
	if _, err = e.Signal(signalValue(p.number, 1)); err != nil {
		return err
	}
	var signalled error
	oncePoint("channel.event.load", func() {
		for i := range uint64(2 * layout.EventPerPlace) {
			_, err := e.Signal(signalValue(p.number, i))
			signalled = errors.Join(signalled, err)
		}
	})
	_, value, err := e.Load()
	if err = errors.Join(err, signalled); err != nil {
		return err
	}
	return errors.Join(checkSignal(value), e.Close())
}

// partEventOpener makes the event if there is none.
func partEventOpener(p *victimPart) error {
	for range 2 {
		o := eventOptions(p.dir)
		o.Lifetime = channel.Ephemeral
		e, err := channel.OpenOrCreateEvent(p.ctx, "e", o)
		if err != nil {
			return err
		}
		if _, err := e.Signal(signalValue(p.number, 1)); err != nil {
			return err
		}
		if err := e.Close(); err != nil {
			return err
		}
	}
	return nil
}

// playEvent makes the trial of an event: receiver says that a sleeper of ours waits.
func (x *killTrial) playEvent() (points map[string]int, err error) {
	woken := make(chan error, 1)
	var e *channel.Event
	if x.setting != absent {
		if e, err = channel.CreateEvent(x.ctx, "e", eventOptions(x.dir)); err != nil {
			return nil, err
		}
		if _, err = e.Signal(signalValue(0, 0)); err != nil {
			return nil, err
		}
		if x.receiver {
			go func() { woken <- awaitLast(x.ctx, e) }()
		} else if err = e.Close(); err != nil {
			return nil, err
		}
	}
	if points, err = x.victims(); err != nil {
		return nil, err
	}
	if err = x.lastSignals(); err != nil {
		return nil, err
	}
	if x.receiver {
		if err = errors.Join(<-woken, e.Close()); err != nil {
			return nil, err
		}
	}
	err = channel.Remove(x.ctx, "e", channel.RemoveOptions{Dir: x.dir})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if left, err := os.ReadDir(x.dir); err != nil || len(left) > 0 {
		x.counts.leaked++
		return nil, fmt.Errorf("left behind: %v %w", left, err)
	}
	return points, nil
}

// lastWriter is who signals after all victims.
const lastWriter = 99

// awaitLast sleeps until the last writer signals: it must miss nothing.
func awaitLast(ctx context.Context, e *channel.Event) error {
	for seq := uint64(0); ; {
		var value []byte
		var err error
		seq, value, err = e.Wait(ctx, seq)
		if err == nil {
			err = checkSignal(value)
		}
		if err != nil {
			return err
		}
		if value[0] == lastWriter {
			return nil
		}
	}
}

// lastSignals looks at what the victims left: a value that is whole, not older than the
// last one that was acknowledged, and stays until the next signal.
func (x *killTrial) lastSignals() error {
	e, err := channel.OpenOrCreateEvent(x.ctx, "e", eventOptions(x.dir))
	if err != nil {
		return err
	}
	seq, value, err := e.Load()
	if err != nil {
		return err
	}
	if seq > 0 {
		if err := checkSignal(value); err != nil {
			x.counts.torn++
			return err
		}
	}
	if acked := x.book.did.Load(); seq < acked {
		x.counts.lost++
		return fmt.Errorf("sequence %d after %d was acknowledged", seq, acked)
	}
	x.counts.acked += int64(x.book.did.Load())
	x.counts.delivered += int64(seq)
	for i := range uint64(2*layout.EventPerPlace + 1) {
		mine, err := e.Signal(signalValue(lastWriter, i))
		if err != nil {
			return err
		}
		if mine != seq+i+1 {
			return fmt.Errorf("sequence %d, want %d", mine, seq+i+1)
		}
	}
	return e.Close()
}
