package fault

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	looks   = "it only looks: a death between two loads leaves what one before the first leaves"
	again   = "a load is made anew, or is what the next CAS compares with"
	own     = "the word is the caller's own: a death after the load leaves what one before it does"
	private = "the memory is this process's own"
)

// pointless are the functions in which two accesses follow each other without a point, and why
// none is needed there.
var pointless = map[string]string{
	"ring.claim": again, "ring.claimBatch": again, "ring.Discard": again, "ring.scrubSlot": looks,
	"ring.snapshot": looks, "ring.both": looks, "ring.Peek": looks, "ring.Ended": looks,
	"ring.Drained": looks, "ring.Spare": looks, "state.read": looks,
	"channel.settleDead": looks, "channel.readDependency": looks, "channel.readPlan": looks,
	"channel.load": looks, "channel.evict": looks, "channel.deadSender": looks,
	"channel.settling": looks, "channel.deadReceiver": looks, "channel.stats": looks,
	"channel.whyReceiver": looks, "channel.whyHole": looks, "channel.nothing": again,
	"channel.Unlock": private, "channel.lockSlow": private, "channel.revoke": private,
}

var functionName = regexp.MustCompile(`^func (?:\([^)]*\) )?(\w+)`)

// TestBetweenTwoAccessesOfAFunctionIsAPoint finds functions in which two accesses that carry a
// sync label follow each other and nobody can be killed, stopped or put off between them. What
// lies in one line, or in another function, it does not see: kills at every instruction do.
func TestBetweenTwoAccessesOfAFunctionIsAPoint(t *testing.T) {
	found := make(map[string]bool)
	labels := 0
	for _, pkg := range []string{"ring", "futex", "state", "shm", "channel"} {
		files, err := filepath.Glob(filepath.Join("..", "..", pkg, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			labels += strings.Count(string(text), "// sync: ")
			for _, name := range unparted(string(text)) {
				found[pkg+"."+name] = true
			}
		}
	}
	require.Greater(t, labels, 100)
	assert.Equal(t, slices.Sorted(maps.Keys(pointless)), slices.Sorted(maps.Keys(found)),
		"a point is missing, or no exception is needed any more")
}

// unparted returns the functions of a file in which a label follows another.
func unparted(text string) (names []string) {
	name, accessed := "", false
	for line := range strings.Lines(text) {
		if m := functionName.FindStringSubmatch(line); m != nil {
			name, accessed = m[1], false
		}
		if strings.Contains(line, "fault.Point(") || strings.Contains(line, "fault.Err(") {
			accessed = false
		}
		if strings.Contains(line, "// sync: ") {
			if accessed {
				names = append(names, name)
			}
			accessed = true
		}
	}
	return names
}

func TestLabelsWithoutAPointBetweenThemAreFound(t *testing.T) {
	const text = "func a() {\n\tx.Load() // sync: x\n\ty.Load() // sync: y\n}\n" +
		"func (r *R) b() {\n\tx.Load() // sync: x\n\tfault.Point(\"b\")\n" +
		"\ty.Load() // sync: y\n}\nfunc c() {\n\ty.Load() // sync: y\n}\n"
	assert.Equal(t, []string{"a"}, unparted(text))
}
