package server

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what /metrics tells: of the server, of each runner, and what the transport
// has of its own.
type metrics struct {
	registry *prometheus.Registry
	tokens   prometheus.Counter
	first    prometheus.Histogram
	requests *prometheus.CounterVec
}

func newMetrics(t Transport) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		tokens: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "server_tokens_total", Help: "Tokens written to clients.",
		}),
		first: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "server_first_token_seconds", Help: "Time to the first token.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "server_requests_total", Help: "Requests that ended, by how.",
		}, []string{"end"}),
	}
	m.registry.MustRegister(m.tokens, m.first, m.requests, newRunners(t),
		collectors.NewGoCollector(), collectors.NewProcessCollector(
			collectors.ProcessCollectorOpts{}))
	if c := t.Collector(); c != nil {
		m.registry.MustRegister(c)
	}
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
	})
}

// ended counts a request.
func (m *metrics) ended(err error) {
	kind := "done"
	if err != nil {
		_, kind = classify(err)
	}
	m.requests.WithLabelValues(kind).Inc()
}

// runners collects from Transport.Health.
type runners struct {
	t                                       Transport
	up, live, pending, steps, freed, starts *prometheus.Desc
}

func newRunners(t Transport) *runners {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("runner_"+name, help, []string{"runner"}, nil)
	}
	return &runners{
		t:       t,
		up:      desc("up", "1 if the runner is well."),
		live:    desc("live_sequences", "Sequences in its batch."),
		pending: desc("pending_requests", "Requests that it has and that have not ended."),
		steps:   desc("steps_total", "Steps of this process."),
		freed:   desc("freed_total", "Sequences of this process that were cancelled."),
		starts:  desc("restarts_total", "Times that it was started again."),
	}
}

// Describe implements prometheus.Collector.
func (r *runners) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(r, ch) }

// Collect implements prometheus.Collector.
func (r *runners) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, x := range r.t.Health(ctx) {
		up := 1.0
		if x.Trouble != "" {
			up = 0
		}
		gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
		for _, f := range []struct {
			desc  *prometheus.Desc
			kind  prometheus.ValueType
			value float64
		}{
			{r.up, gauge, up},
			{r.live, gauge, float64(x.Status.Live)},
			{r.pending, gauge, float64(x.Pending)},
			{r.steps, counter, float64(x.Status.Steps)},
			{r.freed, counter, float64(x.Status.Freed)},
			{r.starts, counter, float64(x.Restarts)},
		} {
			ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value, x.Name)
		}
	}
}
