//go:build fault

package channel_test

import "shmring/channel"

const (
	spsc = channel.SPSC
	mpsc = channel.MPSC
)

// matrix are all conversations: each role, in each kind of channel that it can be in,
// alone and in company. Who is alone finds nobody attached, so that whoever comes next has
// to do all repairs.
var matrix = []killRow{
	{role: "sender", kind: spsc, setting: empty, receiver: true},
	{role: "sender", kind: mpsc, setting: seeded, receiver: true},
	{role: "sender", kind: mpsc, setting: empty, senders: 1, receiver: true},
	{role: "sender", kind: mpsc, setting: empty, senders: 2, receiver: true},
	{role: "waiter", kind: spsc, setting: empty},
	{role: "waiter", kind: mpsc, setting: seeded},
	{role: "racer", kind: mpsc, setting: empty, receiver: true},

	{role: "receiver", kind: spsc, setting: seeded},
	{role: "receiver", kind: spsc, setting: empty, senders: 1},
	{role: "receiver", kind: mpsc, setting: empty, senders: 2},
	{role: "receiver", kind: mpsc, setting: empty, senders: 3},
	{role: "receiver", kind: mpsc, setting: poisoned},
	{role: "appender", kind: spsc, setting: seeded},
	{role: "appender", kind: mpsc, setting: empty, senders: 2},
	{role: "holder", kind: spsc, setting: seeded},
	{role: "holder", kind: mpsc, setting: seeded, senders: 1},
	{role: "selector", kind: mpsc, setting: empty, senders: 1},
	{role: "selector", kind: spsc, setting: seeded},
	{role: "selector", kind: mpsc, setting: empty},
	{role: "receiver", kind: mpsc, setting: seeded, before: "sealer"},
	{role: "appender", kind: spsc, setting: seeded, before: "sealer"},

	{role: "sealer", kind: spsc, setting: seeded},
	{role: "sealer", kind: mpsc, setting: empty, senders: 2, receiver: true},
	{role: "drainer", kind: spsc, setting: seeded, receiver: true},
	{role: "drainer", kind: mpsc, setting: seeded},
	{role: "closer", kind: spsc, setting: empty},
	{role: "closer", kind: mpsc, setting: empty, senders: 1, receiver: true},
	{role: "closer", kind: mpsc, setting: empty, senders: 3, receiver: true},
	{role: "forcer", kind: spsc, setting: seeded},
	{role: "forcer", kind: mpsc, setting: seeded, senders: 1},
	{role: "rollback", kind: spsc, setting: seeded},
	{role: "rollback", kind: mpsc, setting: seeded, senders: 1},
	{role: "recoverer", kind: spsc, setting: damaged},
	{role: "recoverer", kind: mpsc, setting: damaged},
	{role: "recoverer", kind: mpsc, setting: poisoned},

	{role: "announcer", kind: spsc, setting: seeded},
	{role: "announcer", kind: mpsc, setting: empty, senders: 1, receiver: true},
	{
		role: "announcer", kind: mpsc, setting: empty,
		before: "announcer channel.announce.written:kill",
	},

	{role: "creator", kind: mpsc, setting: absent},
	{role: "opener", kind: mpsc, setting: absent},
	{role: "opener", kind: mpsc, setting: seeded},
	{role: "remover", kind: mpsc, setting: empty},

	{role: "signaller", event: true, setting: empty},
	{role: "signaller", event: true, setting: empty, receiver: true},
	{role: "listener", event: true, setting: empty},
	{role: "overtaken", event: true, setting: empty},
	{role: "overtaken", event: true, setting: empty, receiver: true},
	{role: "eventopener", event: true, setting: absent},
	{role: "eventopener", event: true, setting: empty},
	{
		role: "signaller", event: true, setting: empty,
		before: "signaller channel.event.half:kill:2",
	},

	// After somebody who was killed in the middle of something.
	{role: "settler", kind: spsc, setting: empty, before: "waiter ring.claim.won:kill"},
	{role: "receiver", kind: spsc, setting: empty, before: "waiter ring.claim.won:kill:2"},
	{role: "receiver", kind: mpsc, setting: empty, before: "waiter ring.batch.filled:kill"},
	{role: "receiver", kind: mpsc, setting: seeded, before: "receiver ring.publish.begin:kill"},
	{role: "settler", kind: mpsc, setting: seeded, before: "receiver ring.publish.begin:kill"},
	{
		role: "recoverer", kind: mpsc, setting: seeded,
		before: "receiver channel.claim.numbered:kill",
	},
	{role: "opener", kind: mpsc, setting: seeded, before: "sealer state.move.between:kill"},
	{role: "forcer", kind: mpsc, setting: empty, before: "waiter ring.claim.won:kill:2"},
	{role: "closer", kind: mpsc, setting: empty, before: "waiter ring.claim.won:kill"},
	{role: "forcer", kind: mpsc, setting: seeded, before: "forcer channel.force.closing:kill"},
	{
		role: "recoverer", kind: spsc, setting: damaged,
		before: "recoverer channel.recover.clean:kill",
	},
	{role: "recoverer", kind: spsc, setting: damaged, before: "recoverer ring.scrub.damaged:kill"},
}
