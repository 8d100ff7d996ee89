//go:build linux && amd64 && !race

package channel

import "testing"

// ImpatientLatches makes whoever meets an owner revoke a latch's bias at once.
func ImpatientLatches(t *testing.T) {
	t.Helper()
	before := latchSpins
	latchSpins = 0
	t.Cleanup(func() { latchSpins = before })
}
