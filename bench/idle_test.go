package bench

import (
	"context"
	"errors"
	"time"

	"shmring/channel"
	"shmring/internal/measure"
)

// idleTick is what one operation of an idle benchmark stands for.
const idleTick = 100 * time.Millisecond

// idle has both sides wait for a message that does not come, and reports what that costs.
func idle(r *run) {
	r.beginFor(time.Duration(r.n) * idleTick)
	there := r.channel("there", channel.SPSC, 0)
	back := r.channel("back", channel.SPSC, 0)
	rx, err := back.TryReceiver()
	r.check(err)
	r.peer(job{Kind: "idle", Channels: []string{"there"}})
	r.ready()
	count := sleepsAndWakes(there, back)
	start := measure.Now() + int64(leadTime)
	r.order(order{To: r.n, Start: start})
	measure.SleepUntil(start)
	before := measure.Spent(count)
	r.start()
	err = waitInVain(rx, r.n)
	r.took = time.Duration(measure.Now() - start)
	r.stop()
	r.check(err)
	spent := measure.Spent(count).Minus(before).Plus(r.answers())
	r.load(spent)
	r.metric(spent.CPU.Seconds()/r.took.Seconds()*3600, "cpu-s/hour")
	r.dismiss()
}

// waitInVain waits for a message for some ticks.
func waitInVain(rx *channel.Receiver, ticks uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(ticks)*idleTick)
	defer cancel()
	_, err := rx.Recv(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	if err == nil {
		return errors.New("a message came")
	}
	return err
}

// idlePeer waits for a message that does not come.
func idlePeer(p *peer) error {
	ch, err := p.open(0)
	if err != nil {
		return err
	}
	defer ch.Close() //nolint:errcheck // the parent looks for what is left
	rx, err := ch.TryReceiver()
	if err != nil {
		return err
	}
	return p.obey(func(o order) error { return waitInVain(rx, o.To-o.From) }, nil)
}
