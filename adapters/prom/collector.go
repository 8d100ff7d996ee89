package prom

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"shmring/channel"
	"shmring/manager"
	"shmring/state"
)

// DefaultTimeout is used where Options.Timeout is zero.
const DefaultTimeout = 5 * time.Second

// Options describe a Collector. The zero value is a good one.
type Options struct {
	Timeout time.Duration     // longest time of a snapshot; 0: DefaultTimeout
	Labels  prometheus.Labels // of every series, such as the name of the service; may be nil
}

// A Collector collects from a Manager. It may be registered with several registries, and
// its methods called by several goroutines at once.
type Collector struct {
	m       *manager.Manager
	timeout time.Duration

	channel  []figure[manager.ChannelMetrics]
	health   []figure[manager.Health]
	op       []figure[manager.OpMetrics]
	queue    []figure[manager.QueueMetrics]
	state    *prometheus.Desc
	latency  *prometheus.Desc
	queueFit figure[manager.Health]

	mu   sync.Mutex
	last map[string]manager.ChannelMetrics // by name, of the collection before
}

// NewCollector returns a Collector of everything that is registered and tracked in m, also
// later. Once m is closed, its collections fail.
func NewCollector(m *manager.Manager, o Options) *Collector {
	of := func(labels ...string) maker { return maker{o.Labels, labels} }
	c := &Collector{
		m: m, timeout: o.Timeout,
		channel: channelFigures(of("channel")), health: healthFigures(of("channel")),
		op: opFigures(of("channel", "op")), queue: queueFigures(of("queue")),
		state: of("channel").desc("channel_state", "1 for the state it is in, else 0.", "state"),
		latency: of("channel", "op").desc("operation_duration_seconds",
			"How long operations took, attempts and waits included."),
		queueFit: gauge(of("queue"), "queue_health",
			"0 healthy, 1 degraded, 2 unhealthy.", healthCode),
		last: make(map[string]manager.ChannelMetrics),
	}
	if c.timeout <= 0 {
		c.timeout = DefaultTimeout
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	describe(ch, c.channel)
	describe(ch, c.health)
	describe(ch, c.op)
	describe(ch, c.queue)
	ch <- c.state
	ch <- c.latency
	ch <- c.queueFit.desc
}

func describe[T any](ch chan<- *prometheus.Desc, figures []figure[T]) {
	for _, f := range figures {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	snapshot, err := c.snapshot(ctx)
	var health []manager.Health
	if err == nil {
		health, err = c.m.HealthAll(ctx)
	}
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.state, err)
		return
	}
	for i := range snapshot.Channels {
		c.one(ch, &snapshot.Channels[i])
	}
	tracked := make(map[string]bool)
	for i := range snapshot.Queues {
		q := &snapshot.Queues[i]
		tracked[q.Name] = true
		send(ch, c.queue, q, q.Name)
	}
	for i := range health {
		h := &health[i]
		switch {
		case tracked[h.Name]:
			c.queueFit.send(ch, h, h.Name)
		case h.State != 0 || h.Status != manager.Healthy: // else it does not exist
			send(ch, c.health, h, h.Name)
		}
	}
}

// snapshot takes the metrics. The counters of a channel are sums over its participants, and
// one who leaves meanwhile may be missed for an instant: that would look like a channel that
// was made anew, with everything sent at once. What has fallen is looked at again.
func (c *Collector) snapshot(ctx context.Context) (*manager.Metrics, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.m.Metrics(ctx, nil)
	if err == nil && c.fell(s) {
		s, err = c.m.Metrics(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	clear(c.last)
	for _, one := range s.Channels {
		c.last[one.Name] = one
	}
	return s, nil
}

// fell reports whether a counter is less than it was.
func (c *Collector) fell(s *manager.Metrics) bool {
	for i := range s.Channels {
		now := &s.Channels[i]
		was, known := c.last[now.Name]
		for _, f := range c.channel {
			if known && f.kind == prometheus.CounterValue && f.of(now) < f.of(&was) {
				return true
			}
		}
	}
	return false
}

// one sends what is known of a channel.
func (c *Collector) one(ch chan<- prometheus.Metric, m *manager.ChannelMetrics) {
	send(ch, c.channel, m, m.Name)
	for s := state.Active; s <= state.Recovering; s++ {
		is := figure[manager.ChannelMetrics]{c.state, prometheus.GaugeValue, stateIs(s)}
		is.send(ch, m, m.Name, s.String())
	}
	for kind, op := range m.Operations() {
		send(ch, c.op, op, m.Name, kind.String())
		below := make(map[float64]uint64)
		for i, n := range op.Latency.Below {
			below[manager.LatencyLimit(i).Seconds()] = n
		}
		metric, err := prometheus.NewConstHistogram(c.latency, op.Latency.Count,
			op.Latency.Sum.Seconds(), below, valid(m.Name), kind.String())
		deliver(ch, c.latency, metric, err)
	}
}

func stateIs(s state.State) func(*manager.ChannelMetrics) float64 {
	return func(m *manager.ChannelMetrics) float64 {
		if m.State == s {
			return 1
		}
		return 0
	}
}

func send[T any](ch chan<- prometheus.Metric, figures []figure[T], t *T, labels ...string) {
	for _, f := range figures {
		f.send(ch, t, labels...)
	}
}

// send sends the value for a thing whose name is the first label.
func (f figure[T]) send(ch chan<- prometheus.Metric, t *T, labels ...string) {
	labels = append([]string{valid(labels[0])}, labels[1:]...)
	metric, err := prometheus.NewConstMetric(f.desc, f.kind, f.of(t), labels...)
	deliver(ch, f.desc, metric, err)
}

func deliver(
	ch chan<- prometheus.Metric, desc *prometheus.Desc, metric prometheus.Metric, err error,
) {
	if err != nil {
		metric = prometheus.NewInvalidMetric(desc, err)
	}
	ch <- metric
}

// valid is a name as a label: Track takes any bytes.
func valid(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	return strconv.QuoteToASCII(name)
}

func healthCode(h *manager.Health) float64 {
	err := h.ErrorOfInspector
	switch {
	case errors.Is(err, channel.ErrCorrupt), errors.Is(err, channel.ErrFault):
		return 2 // it was looked at, and this is what was seen
	case err != nil:
		return 3
	case h.Status == manager.Unhealthy:
		return 2
	case h.Status == manager.Degraded:
		return 1
	}
	return 0
}

func fullIn(h *manager.Health) float64 {
	switch {
	case h.Slots > 0 && h.Depth >= h.Slots:
		return 0
	case h.FullIn == 0:
		return math.Inf(1)
	}
	return h.FullIn.Seconds()
}
