package prom

import (
	"github.com/prometheus/client_golang/prometheus"

	"shmring/manager"
)

// A figure is a metric with one value for each thing of a kind.
type figure[T any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*T) float64
}

// A maker makes descriptions with the same labels.
type maker struct {
	constant prometheus.Labels
	labels   []string
}

func (m maker) desc(name, help string, more ...string) *prometheus.Desc {
	labels := append(append([]string{}, m.labels...), more...)
	return prometheus.NewDesc("shmring_"+name, help, labels, m.constant)
}

func gauge[T any](m maker, name, help string, of func(*T) float64) figure[T] {
	return figure[T]{m.desc(name, help), prometheus.GaugeValue, of}
}

func counter[T any](m maker, name, help string, of func(*T) uint64) figure[T] {
	return figure[T]{
		m.desc(name, help), prometheus.CounterValue, func(t *T) float64 { return float64(of(t)) },
	}
}

func channelFigures(m maker) []figure[manager.ChannelMetrics] {
	type c = manager.ChannelMetrics
	return []figure[c]{
		gauge(m, "channel_depth_slots", "Slots in use.",
			func(c *c) float64 { return float64(c.Depth) }),
		gauge(m, "channel_capacity_slots", "Slots of the ring.",
			func(c *c) float64 { return float64(c.Slots) }),
		gauge(m, "channel_arena_used_bytes", "Bytes of the arena in use.",
			func(c *c) float64 { return float64(c.ArenaUsed) }),
		gauge(m, "channel_arena_capacity_bytes", "Bytes of the arena; 0: none.",
			func(c *c) float64 { return float64(c.ArenaBytes) }),
		gauge(m, "channel_senders", "Senders that live.",
			func(c *c) float64 { return float64(c.Senders) }),
		gauge(m, "channel_receivers", "Receivers that live: 0 or 1.",
			func(c *c) float64 { return float64(c.Receivers) }),
		gauge(m, "channel_logged_deaths", "Deaths in the log, which holds the last 16.",
			func(c *c) float64 { return float64(c.Deaths) }),
		gauge(m, "channel_mapped_bytes", "Bytes of the segment, if it is open here.",
			func(c *c) float64 { return float64(c.Mapped) }),
		counter(m, "channel_sent_messages_total", "Messages accepted.",
			func(c *c) uint64 { return c.Sent }),
		counter(m, "channel_sent_bytes_total", "Bytes of the messages accepted.",
			func(c *c) uint64 { return c.SentBytes }),
		counter(m, "channel_received_messages_total", "Messages released.",
			func(c *c) uint64 { return c.Received }),
		counter(m, "channel_received_bytes_total", "Bytes of the messages released.",
			func(c *c) uint64 { return c.ReceivedBytes }),
		counter(m, "channel_holes_total", "Slots of senders that died before they had filled them.",
			func(c *c) uint64 { return c.Holes }),
		counter(m, "channel_aborted_slots_total", "Slots given back unsent.",
			func(c *c) uint64 { return c.Aborted }),
		counter(m, "channel_discarded_messages_total", "Messages discarded by a forced close.",
			func(c *c) uint64 { return c.Discarded }),
		counter(m, "channel_corrupt_words_total", "Impossible words found.",
			func(c *c) uint64 { return c.Corrupt }),
	}
}

func healthFigures(m maker) []figure[manager.Health] {
	type h = manager.Health
	return []figure[h]{
		gauge(m, "channel_health",
			"0 healthy, 1 degraded, 2 unhealthy, 3 cannot be looked at.", healthCode),
		gauge(m, "channel_full_in_seconds",
			"When it will be full if it goes on so; +Inf: it will not.", fullIn),
		gauge(m, "channel_full_for_seconds", "For how long a sender has waited for room.",
			func(h *h) float64 { return h.FullFor.Seconds() }),
		gauge(m, "channel_oldest_wait_seconds",
			"How long messages lie there that the receiver does not take.",
			func(h *h) float64 { return h.OldestWait.Seconds() }),
		gauge(m, "channel_stuck_participants", "Who live and hold others up.",
			func(h *h) float64 { return float64(len(h.Stuck)) }),
		gauge(m, "channel_dead_participants", "Who died without a successor.",
			func(h *h) float64 { return float64(len(h.Dead)) }),
	}
}

func opFigures(m maker) []figure[manager.OpMetrics] {
	type op = manager.OpMetrics
	return []figure[op]{
		counter(m, "operation_errors_total",
			"Operations that failed, but for the end of a channel.",
			func(op *op) uint64 { return op.Errors }),
		counter(m, "operation_retries_total", "Attempts after the first.",
			func(op *op) uint64 { return op.Retries }),
		counter(m, "operation_messages_total", "Messages that operations moved.",
			func(op *op) uint64 { return op.Messages }),
	}
}

func queueFigures(m maker) []figure[manager.QueueMetrics] {
	type q = manager.QueueMetrics
	return []figure[q]{
		gauge(m, "queue_depth_items", "Items in the queue.",
			func(q *q) float64 { return float64(q.Depth) }),
		gauge(m, "queue_capacity_items", "Items that the queue has room for; 0: no limit.",
			func(q *q) float64 { return float64(q.Capacity) }),
		counter(m, "queue_in_items_total", "Items put in.",
			func(q *q) uint64 { return q.In }),
		counter(m, "queue_out_items_total", "Items taken out.",
			func(q *q) uint64 { return q.Out }),
	}
}
