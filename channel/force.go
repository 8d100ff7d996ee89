package channel

import (
	"context"
	"errors"
	"time"

	"shmring/futex"
	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/ring"
)

// answerTime bounds how long a Force without a deadline waits for a living receiver
// to count what it was not given.
const answerTime = time.Second

// discardRest takes what is left out of a ring whose receiver is gone. The caller
// holds the receiver's place. From a ring that is damaged nothing can be taken.
func (ch *Channel) discardRest(take func([]byte)) {
	cons, err := ch.ring.NewConsumer(0)
	if err != nil {
		ch.logWarn("discard what is left", err)
		return
	}
	defer cons.Flush()
	var it ring.Item
	var taken uint64
	// Each slot is looked at twice at most, as a hole and as what was made of it.
	for looks := uint64(0); take != nil && looks < 2*ch.view.SlotCount; looks++ {
		err := cons.Next(&it)
		if errors.Is(err, ring.ErrHole) {
			if owner, serr := cons.Skip(ch.alive); serr == nil && owner < 0 {
				continue
			}
		}
		if err != nil {
			break // the end, a living owner's hole, or damage: count the rest
		}
		ch.token.Acquire(race.Messages)
		take(it.Bytes)
		taken++ // not released: if we die the head has not moved, and a successor repeats all
	}
	cons.Discard(taken)
}

// awaitEmptyForced waits until the living receiver has moved the head to the tail.
// It returns errAgain if the receiver's place became free.
func (ch *Channel) awaitEmptyForced(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerTime)
		defer cancel()
	}
	stop := ch.wakeOnCancel(ctx, ch.stateEvent)
	defer stop()
	for {
		seq := futex.Sample(ch.stateEvent) // sync: seq
		switch {
		case ch.ring.Drained():
			return nil
		case !ch.alive(layout.PlaceReceiver):
			return errAgain
		case ctx.Err() != nil:
			return ch.ended(ctx, "")
		}
		// The receiver's answer moves the head, which wakes sleepers on the space
		// event only: look again soon. A departure wakes this event.
		err := ch.sleepState(seq, ch.slice(ctx, unseatedSlice))
		if err != nil && !errors.Is(err, futex.ErrTimeout) {
			return err
		}
		if deadlinePassed(ctx) {
			return ch.deadline(ctx, "")
		}
	}
}
