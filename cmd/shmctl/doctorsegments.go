package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/dustin/go-humanize"

	"shmring/channel"
	"shmring/state"
)

// segments looks at what lies in the directory.
func (d *doctor) segments(ctx context.Context) []finding {
	const check = "segments"
	entries, err := channel.List(d.dir)
	if err != nil {
		return []finding{fail(check, err.Error(), "see ls -l "+d.dir)}
	}
	var found []finding
	size, left := uint64(0), int64(0)
	var leftovers []string
	for _, e := range entries {
		size += uint64(e.Size)
		if take, _ := d.a.expendable(ctx, e, gcOptions{}); take {
			leftovers = append(leftovers, e.Name)
			left += e.Size
			continue
		}
		found = append(found, d.segment(ctx, e)...)
	}
	all := well(check, "none in "+d.dir)
	if len(entries) > 0 {
		all.Detail = fmt.Sprintf("%d, %s in %s", len(entries), humanize.IBytes(size), d.dir)
	}
	found = append([]finding{all}, found...)
	if len(leftovers) > 0 {
		found = append(found, warn("leftovers", fmt.Sprintf("%d, %s, nobody is attached: %s",
			len(leftovers), humanize.IBytes(uint64(left)), shortList(leftovers)),
			"shmctl gc, or doctor --fix"))
	}
	return found
}

// segment tells of one segment if something is wrong with it.
func (d *doctor) segment(ctx context.Context, e channel.Entry) []finding {
	check := "segment " + e.Name
	switch {
	case errors.Is(e.Err, fs.ErrPermission):
		return []finding{warn(check, fmt.Sprintf("belongs to uid %d, and cannot be read", e.UID),
			"run doctor as that user")}
	case foreign(e.Err) && e.Attached:
		return []finding{fail(check, "programs of another version are attached: "+
			e.Err.Error(), "run one version, or give the new one another $SHMRING_DIR")}
	case foreign(e.Err):
		return []finding{warn(check, "left by another version: "+e.Err.Error(),
			"shmctl gc --foreign removes it")}
	case e.Err != nil:
		return []finding{fail(check, "damaged: "+e.Err.Error(),
			"keep a copy for the bug report, then shmctl rm --force "+e.Name)}
	case stale(e, d.read(bootIDFile)):
		t := staleTrouble(e)
		return []finding{warn(check, t.What, t.Remedy)}
	case isEvent(e):
		return nil
	}
	v := d.a.look(ctx, e)
	switch {
	case errors.Is(v.err, fs.ErrNotExist):
		return nil // it went meanwhile
	case errors.Is(v.err, fs.ErrPermission):
		return []finding{warn(check, v.err.Error(), "run doctor as its owner")}
	case v.err != nil:
		return []finding{fail(check, v.err.Error(), "shmctl dump "+e.Name+
			" for the bug report, then shmctl rm --force "+e.Name)}
	case v.stats.State < state.Active || v.stats.State > state.Recovering:
		return []finding{fail(check, "damaged: impossible state "+v.stats.State.String()+
			": somebody zeroed, punched or overwrote its control words",
			"keep a copy for the bug report, then shmctl rm --force "+e.Name)}
	case v.stats.State == state.Error:
		return []finding{fail(check, "state ERROR: "+v.reason, "shmctl dump "+e.Name+
			" for the bug report, then shmctl recover "+e.Name)}
	}
	return nil
}

// shortList names the first few.
func shortList(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
