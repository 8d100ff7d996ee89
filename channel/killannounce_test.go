//go:build fault

package channel_test

import (
	"errors"
	"fmt"
	"time"

	"shmring/channel"
)

// successor is the channel that an announcer's depends on.
const successor = "successor"

// announcement is what an announcer says, as long as there is room.
const announcement = "the victim means to end it, and says so at some length"

// announcedEnd is the deadline that it gives.
var announcedEnd = time.Unix(1, 0)

// partAnnouncer writes what others read without a lock: what the channel depends on, and
// that it is to be ended. It does so twice and takes it back in between.
func partAnnouncer(p *victimPart) error {
	ch, err := p.open()
	if err != nil {
		return err
	}
	other, err := channel.OpenOrCreate(p.ctx, successor, plain(p.dir, channel.SPSC))
	if err != nil {
		return errors.Join(err, ch.Close())
	}
	err = errors.Join(
		ch.DependOn(p.ctx, other), ch.Announce(p.ctx, announcement, announcedEnd),
		ch.Withdraw(p.ctx), ch.Independ(p.ctx, successor),
		ch.DependOn(p.ctx, other), ch.Announce(p.ctx, announcement, announcedEnd),
	)
	return errors.Join(err, other.Close(), ch.Close())
}

// announced looks whether what is there of an announcer's words is whole.
func announced(ch *channel.Channel) error {
	if p, ok := ch.Plan(); ok {
		if p.Reason != announcement || !p.Deadline.Equal(announcedEnd) || p.PID == 0 {
			return fmt.Errorf("half an announcement: %+v", p)
		}
	}
	for _, d := range ch.Dependencies() {
		if d.Name != successor || d.Instance == [16]byte{} {
			return fmt.Errorf("half a dependency: %+v", d)
		}
	}
	return nil
}
