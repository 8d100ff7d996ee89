package prom

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"shmring/manager"
)

func TestACounterThatFellIsNoticed(t *testing.T) {
	c := NewCollector(nil, Options{})
	c.last["q"] = manager.ChannelMetrics{Name: "q", Depth: 5, Sent: 10, SentBytes: 100}
	for _, then := range []struct {
		now  manager.ChannelMetrics
		fell bool
	}{
		{manager.ChannelMetrics{Name: "q", Sent: 10, SentBytes: 100}, false},
		{manager.ChannelMetrics{Name: "q", Sent: 11, SentBytes: 99}, true},
		{manager.ChannelMetrics{Name: "other"}, false},
	} {
		s := &manager.Metrics{Channels: []manager.ChannelMetrics{then.now}}
		assert.Equal(t, then.fell, c.fell(s), "%+v", then.now)
	}
}
