//go:build linux

package shm_test

import (
	"go/build"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMappingForTheDetectorIsInRaceBuildsOnly: an ordinary program has no line of it.
func TestMappingForTheDetectorIsInRaceBuildsOnly(t *testing.T) {
	ordinary, raced := build.Default, build.Default
	raced.BuildTags = append(raced.BuildTags, "race")
	ordinary.ToolTags = nil // a test that runs under the detector has its tag here
	for file, inRace := range map[string]bool{
		"mapping_race_unsafe.go": true, "mapping_off.go": false,
	} {
		in, err := ordinary.MatchFile(".", file)
		require.NoError(t, err)
		assert.Equal(t, !inRace, in, file)
		in, err = raced.MatchFile(".", file)
		require.NoError(t, err)
		assert.Equal(t, inRace, in, file)
	}
}
