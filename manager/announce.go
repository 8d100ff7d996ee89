package manager

import (
	"context"
	"sync"
	"time"

	"shmring/channel"
)

// announceShare is the part of the time of a shutdown that its first phase takes at most:
// somebody who is stopped may hold the control lock of one channel, and all others would end
// too late.
const announceShare = 10

// takeBackTime bounds what is done to take something back after the time of a call is over.
const takeBackTime = 200 * time.Millisecond

func takeBack(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), takeBackTime)
}

// announce is the first phase. A channel that does not take it is met again by the second.
func (e *ending) announce(ctx context.Context) {
	deadline, bounded := ctx.Deadline()
	most := DefaultOpTimeout
	if bounded {
		most = time.Until(deadline)
	}
	ctx, cancel := context.WithTimeout(ctx, most/announceShare)
	defer cancel()
	var all sync.WaitGroup
	for name := range e.graph {
		if e.graph.cycle(name) != nil {
			continue // it will not end
		}
		all.Go(func() {
			_ = e.m.with(ctx, name, func(ch *channel.Channel) error {
				return ch.Announce(ctx, e.o.Reason, deadline)
			})
		})
	}
	all.Wait()
}

// withdraw takes the announcement back where a Rollback did the same with the seal, or would
// have: whoever heard of the end may go on.
func (e *ending) withdraw(ctx context.Context) {
	if e.o.AtDeadline != channel.Rollback {
		return
	}
	ctx, cancel := takeBack(ctx)
	defer cancel()
	for _, end := range e.report.Ends {
		if end.Err == nil {
			continue
		}
		err := e.m.with(ctx, end.Name, func(ch *channel.Channel) error {
			return ch.Withdraw(ctx)
		})
		if err != nil && e.m.opts.Logger != nil {
			e.m.opts.Logger.Warn("shmring: withdraw an announced end", "channel", end.Name,
				"error", err)
		}
	}
}
