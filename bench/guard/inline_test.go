package guard

import (
	"context"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inlined are the small functions of the data path: a call of each would cost more than what
// it does. The compiler decides by their size, so an innocent line may undo it.
var inlined = map[string][]string{
	"shmring/futex": {"Announce", "Sample", "Waiting", "Broadcast", "Pause", "(*Spinner).Begin"},
	"shmring/ring": {
		"(*codec).slotOf", "(*codec).arenaOf", "(*codec).slotsFrom", "(*codec).unitsFrom",
		"(*codec).pack", "(*shape).padding", "IntentOf", "(*Producer).take", "(*Producer).count",
		"(*Producer).wake", "(*memory).index", "(*memory).cell", "cell.commit", "cell.bytes",
		"cell.commitLater", "(*Consumer).current", "(*Consumer).count", "(*Consumer).Ready",
	},
	"shmring/channel": {"Message.Bytes", "Lease.Bytes"},
}

func TestSmallFunctionsOfTheDataPathAreInlined(t *testing.T) {
	if testing.Short() {
		t.Skip("asks the compiler")
	}
	gobin, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not here")
	}
	can := regexp.MustCompile(`(?m)^[^ ]+: can inline ([^ \n]+)`)
	for pkg, names := range inlined {
		t.Run(pkg, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			// What it said is kept in the build cache, and said again.
			cmd := exec.CommandContext(ctx, gobin, "build", "-gcflags=-m", pkg)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			have := map[string]bool{}
			for _, m := range can.FindAllSubmatch(out, -1) {
				have[string(m[1])] = true
			}
			for _, name := range names {
				assert.True(t, have[name], "%s: %s is not inlined any more: see `go build "+
					"-gcflags=-m=2 %s` for its cost", pkg, name, pkg)
			}
		})
	}
}
