//go:build !fault

package fault

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPointsDoNothingInAnOrdinaryBuild(t *testing.T) {
	t.Setenv("SHMRING_FAULT", "a:panic,b:errno=5")
	assert.False(t, Enabled)
	Point("a")
	require.NoError(t, Err("b"))
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		Point("a")
		_ = Err("b")
	}))
}
