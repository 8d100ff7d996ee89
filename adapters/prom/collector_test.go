//go:build linux

package prom_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/adapters/prom"
	"shmring/channel"
	"shmring/channeltest"
	"shmring/manager"
)

// scene is a Manager with a channel that was used, one that does not exist, a file that is
// none, and a tracked queue.
func scene(t *testing.T) *manager.Manager {
	t.Helper()
	dir := channeltest.Dir(t)
	m, err := manager.New(manager.Options{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = m.Close() // one test has closed it
		o := channel.RemoveOptions{Dir: dir, Unread: true}
		require.NoError(t, channel.Remove(context.Background(), "q", o))
	})
	ctx := t.Context()
	q, err := m.Create(ctx, "q", channel.Options{Slots: 4, ArenaBytes: channel.NoArena})
	require.NoError(t, err)
	for range 4 {
		require.NoError(t, q.Send(ctx, []byte("four")))
	}
	msg, err := q.Recv(ctx)
	require.NoError(t, err)
	msg.Release()
	require.NoError(t, m.Declare("later", manager.Spec{}))
	require.NoError(t, m.Declare("damaged", manager.Spec{}))
	file := filepath.Join(dir, "shmring.damaged")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	t.Cleanup(func() { require.NoError(t, os.Remove(file)) })
	require.NoError(t, m.Track("backlog", manager.QueueInfo{
		Depth:  func() (used, capacity uint64) { return 3, 10 },
		Counts: func() (in, out uint64) { return 7, 4 },
	}))
	require.NoError(t, m.Track("\xff", manager.QueueInfo{
		Depth: func() (used, capacity uint64) { return 1, 1 },
	}))
	return m
}

func TestValuesAreThoseOfTheManager(t *testing.T) {
	c := prom.NewCollector(scene(t), prom.Options{Labels: prometheus.Labels{"service": "llm"}})
	const want = `
# HELP shmring_channel_capacity_slots Slots of the ring.
# TYPE shmring_channel_capacity_slots gauge
shmring_channel_capacity_slots{channel="q",service="llm"} 4
# HELP shmring_channel_depth_slots Slots in use.
# TYPE shmring_channel_depth_slots gauge
shmring_channel_depth_slots{channel="q",service="llm"} 3
# HELP shmring_channel_full_in_seconds When it will be full if it goes on so; +Inf: it will not.
# TYPE shmring_channel_full_in_seconds gauge
shmring_channel_full_in_seconds{channel="damaged",service="llm"} +Inf
shmring_channel_full_in_seconds{channel="q",service="llm"} +Inf
# HELP shmring_channel_health 0 healthy, 1 degraded, 2 unhealthy, 3 cannot be looked at.
# TYPE shmring_channel_health gauge
shmring_channel_health{channel="damaged",service="llm"} 2
shmring_channel_health{channel="q",service="llm"} 0
# HELP shmring_channel_received_bytes_total Bytes of the messages released.
# TYPE shmring_channel_received_bytes_total counter
shmring_channel_received_bytes_total{channel="q",service="llm"} 4
# HELP shmring_channel_sent_messages_total Messages accepted.
# TYPE shmring_channel_sent_messages_total counter
shmring_channel_sent_messages_total{channel="q",service="llm"} 4
# HELP shmring_channel_state 1 for the state it is in, else 0.
# TYPE shmring_channel_state gauge
shmring_channel_state{channel="q",service="llm",state="ACTIVE"} 1
shmring_channel_state{channel="q",service="llm",state="CLOSED"} 0
shmring_channel_state{channel="q",service="llm",state="CLOSING"} 0
shmring_channel_state{channel="q",service="llm",state="DRAINING"} 0
shmring_channel_state{channel="q",service="llm",state="ERROR"} 0
shmring_channel_state{channel="q",service="llm",state="RECOVERING"} 0
# HELP shmring_operation_messages_total Messages that operations moved.
# TYPE shmring_operation_messages_total counter
shmring_operation_messages_total{channel="q",op="open",service="llm"} 0
shmring_operation_messages_total{channel="q",op="recv",service="llm"} 1
shmring_operation_messages_total{channel="q",op="send",service="llm"} 4
# HELP shmring_queue_depth_items Items in the queue.
# TYPE shmring_queue_depth_items gauge
shmring_queue_depth_items{queue="\"\\xff\"",service="llm"} 1
shmring_queue_depth_items{queue="backlog",service="llm"} 3
# HELP shmring_queue_health 0 healthy, 1 degraded, 2 unhealthy.
# TYPE shmring_queue_health gauge
shmring_queue_health{queue="\"\\xff\"",service="llm"} 1
shmring_queue_health{queue="backlog",service="llm"} 0
# HELP shmring_queue_in_items_total Items put in.
# TYPE shmring_queue_in_items_total counter
shmring_queue_in_items_total{queue="\"\\xff\"",service="llm"} 0
shmring_queue_in_items_total{queue="backlog",service="llm"} 7
`
	var names []string
	for line := range strings.Lines(want) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			names = append(names, name[:strings.IndexByte(name, ' ')])
		}
	}
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(want), names...))
}

func TestNamesAreAsPrometheusWantsThem(t *testing.T) {
	problems, err := testutil.CollectAndLint(prom.NewCollector(scene(t), prom.Options{}))
	require.NoError(t, err)
	assert.Empty(t, problems)
}

// gather returns the families of a pedantic registry, which also compares with Describe.
func gather(t *testing.T, m *manager.Manager) map[string]*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(prom.NewCollector(m, prom.Options{})))
	all, err := r.Gather()
	require.NoError(t, err)
	families := make(map[string]*dto.MetricFamily)
	for _, f := range all {
		families[f.GetName()] = f
	}
	return families
}

func TestEveryMetricIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	families := gather(t, scene(t))
	documented := 0
	for line := range strings.Lines(string(doc)) {
		words := strings.Fields(line)
		if len(words) < 3 || !strings.HasPrefix(words[1], "shmring_") {
			continue
		}
		documented++
		f := families[words[1]]
		require.NotNil(t, f, "%s is documented and not there", words[1])
		assert.Equal(t, strings.ToUpper(words[2]), f.GetType().String(), words[1])
	}
	assert.Len(t, families, documented)
}

func TestLatencyIsAHistogramWhoseSumAndCountFit(t *testing.T) {
	families := gather(t, scene(t))
	for _, metric := range families["shmring_operation_duration_seconds"].GetMetric() {
		h := metric.GetHistogram()
		last := uint64(0)
		for _, b := range h.GetBucket() {
			assert.GreaterOrEqual(t, b.GetCumulativeCount(), last)
			last = b.GetCumulativeCount()
		}
		assert.Equal(t, h.GetSampleCount(), last, "nothing here takes a minute")
		assert.Positive(t, h.GetSampleSum())
		assert.Less(t, h.GetSampleSum(), float64(last)*time.Minute.Seconds())
		assert.Len(t, h.GetBucket(), manager.LatencyLimits)
	}
}

func TestAFullChannelIsFullNow(t *testing.T) {
	m := scene(t)
	q, err := m.Channel("q")
	require.NoError(t, err)
	require.NoError(t, q.Send(t.Context(), nil))
	families := gather(t, m)
	values := make(map[string]float64)
	for _, metric := range families["shmring_channel_full_in_seconds"].GetMetric() {
		values[metric.GetLabel()[0].GetValue()] = metric.GetGauge().GetValue()
	}
	assert.Zero(t, values["q"])
	assert.True(t, math.IsInf(values["damaged"], 1))
	health := families["shmring_channel_health"].GetMetric()
	assert.Equal(t, "q", health[len(health)-1].GetLabel()[0].GetValue())
	assert.InDelta(t, 1, health[len(health)-1].GetGauge().GetValue(), 0)
}

func TestCollectionsAtOnceAndOfAClosedManager(t *testing.T) {
	m := scene(t)
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(prom.NewCollector(m, prom.Options{Timeout: time.Minute})))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				_, err := r.Gather()
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	require.NoError(t, m.Close())
	_, err := r.Gather()
	require.ErrorContains(t, err, channel.ErrClosed.Error())
}
