//go:build linux && fault

package shm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/fault"
	"shmring/internal/shmtest"
	"shmring/shm"
)

// TestKillOfAProcessThatEndsMeanwhileKillsNobody: from then on its number may be another's.
func TestKillOfAProcessThatEndsMeanwhileKillsNobody(t *testing.T) {
	for _, point := range []string{"shm.kill.opened", "shm.kill.read", "shm.kill.checked"} {
		t.Run(point, func(t *testing.T) {
			begin(t)
			s := create(t, "a")
			child := shmtest.Start(t, "claim", "a", "2")
			child.Expect("claimed")
			fault.SetHook(func(name string) {
				if name == point {
					child.Kill() // and collects it
				}
			})
			t.Cleanup(func() { fault.SetHook(nil) })
			_, err := s.Kill(child.PID())
			require.ErrorIs(t, err, shm.ErrNoHolder)
			require.ErrorContains(t, err, "it has ended")
		})
	}
}
