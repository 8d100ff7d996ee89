//go:build linux

package channel_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"shmring/channel"
	"shmring/internal/history"
	"shmring/internal/shmtest"
)

func init() { children["chaos"] = childChaos }

// A chaosSpec tells a process what to be. It logs to the file behind descriptor 3.
type chaosSpec struct {
	Role    string
	Names   []string // of the channels: one for each lane
	Lane    uint8    // of a sender or a controller
	Stream  int      // of a sender
	Left    int      // messages that a sender has to get accepted
	Seed    uint64
	Patient bool // a refusal may be taken back
	Within  time.Duration
	Guard   bool
	Work    chaosWork
}

func childChaos(c *shmtest.Conn, args []string) error {
	var spec chaosSpec
	if err := json.Unmarshal([]byte(args[0]), &spec); err != nil {
		return err
	}
	go c.Hear() // ends us if our parent dies
	log, err := history.Open(os.NewFile(3, "log"))
	if err != nil {
		return err
	}
	if !spec.Work.Slices {
		channel.NoSlices()
	}
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(spec.Seed, 2))
	switch spec.Role {
	case "sender":
		s := &chaosSender{spec: spec, rng: rng, log: log, left: spec.Left}
		err = s.run(ctx)
	case "receiver":
		r := &chaosReceiver{spec: spec, rng: rng, log: log}
		err = r.run(ctx)
	default:
		err = chaosControl(ctx, spec, log)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // we came when all was over
	}
	return err
}

func (spec chaosSpec) openOptions() channel.OpenOptions {
	return channel.OpenOptions{Spin: spec.Work.Spin, Guard: spec.Guard}
}

// open attaches to the channel of a sender's lane, or to that of a receiver's.
func (spec chaosSpec) open(ctx context.Context, lane int) (*channel.Channel, error) {
	ch, err := channel.Open(ctx, spec.Names[int(spec.Lane)+lane], spec.openOptions())
	if err == nil && spec.Work.Blind {
		ch.Blind()
	}
	return ch, err
}

// chaosControl is one control operation, and the detach.
func chaosControl(ctx context.Context, spec chaosSpec, log *history.Log) error {
	o := spec.openOptions()
	o.ReadOnly = spec.Role == "observe"
	ch, err := channel.Open(ctx, spec.Names[spec.Lane], o)
	if err != nil {
		return err
	}
	log.Note(history.Op{Kind: history.Join, Outcome: history.OK, Lane: spec.Lane})
	within := ctx
	if spec.Within > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, spec.Within)
		defer cancel()
	}
	switch spec.Role {
	case "observe":
		_, _, _ = ch.Stats(), ch.Participants(), ch.History()
	case "recover":
		_, err = ch.Recover(within)
	case "seal":
		op := history.Op{Kind: history.Seal, Lane: spec.Lane}
		i := log.Begin(op)
		if err = ch.Seal("chaos"); err == nil {
			op.Outcome = history.OK
		} else {
			op.Outcome = history.Failed
		}
		log.Finish(i, op)
		if err == nil {
			err = ch.Drain(within, nil)
		}
	case "shutdown", "force", "rollback":
		policy := map[string]channel.Policy{
			"shutdown": channel.Leave, "force": channel.Force, "rollback": channel.Rollback,
		}[spec.Role]
		_, err = ch.Shutdown(within, channel.ShutdownOptions{Reason: "chaos", AtDeadline: policy})
	default:
		err = fmt.Errorf("no role %q", spec.Role)
	}
	for _, allowed := range []error{
		context.DeadlineExceeded, channel.ErrPeerDead, channel.ErrState, channel.ErrClosed,
		channel.ErrBusy,
	} {
		if errors.Is(err, allowed) {
			err = nil
		}
	}
	return errors.Join(err, ch.Close())
}
