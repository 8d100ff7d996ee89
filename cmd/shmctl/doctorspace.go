package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"shmring/shm"
)

const (
	dockerSize    = 64 << 20 // what Docker gives to /dev/shm unless something is said
	defaultNeed   = 2 << 20  // a channel of the default geometry, and something
	littleShare   = 10       // a tenth
	littleMemory  = 256 << 20
	noLimit       = 1 << 60 // how cgroup v1 spells it
	fewFiles      = 1024
	filesAChannel = 2
)

// directory looks at the file system of the segments.
func (d *doctor) directory(context.Context) []finding {
	const check = "directory"
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		return []finding{fail(check, fmt.Sprintf("%s cannot be looked at: %v", d.dir, err),
			"create it, or name another by --dir or $"+shm.EnvDir)}
	}
	found := []finding{well(check, d.dir+" is on a tmpfs")}
	if st.Type != unix.TMPFS_MAGIC && st.Type != unix.HUGETLBFS_MAGIC {
		found[0] = warn(check, d.dir+" is not on a tmpfs: a disk is slow, and outlives the boot",
			"use a directory on a tmpfs, as /dev/shm")
	}
	return append(found, d.space())
}

// space looks at how much room is left for segments.
func (d *doctor) space() finding {
	const check = "space"
	free, total, err := shm.Space(d.dir)
	if err != nil {
		return fail(check, err.Error(), "see df "+d.dir)
	}
	return spaceFinding(free, total, d.dir, mountPoint(d.dir))
}

func spaceFinding(free, total uint64, dir, mount string) finding {
	const check = "space"
	text := fmt.Sprintf("%s of %s free in %s", humanize.IBytes(free), humanize.IBytes(total), dir)
	larger := "mount -o remount,size=2G " + mount +
		", or docker run --shm-size=2g; shmctl gc removes leftovers"
	switch {
	case free < defaultNeed:
		return fail(check, text+": no room for a channel of the default size", larger)
	case total <= dockerSize:
		return warn(check, text+": it is as small as Docker makes it", larger)
	case free < total/littleShare:
		return warn(check, text, larger)
	}
	return well(check, text)
}

// mountPoint is the directory on which the file system of a directory is mounted.
func mountPoint(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return shm.DefaultDir
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	var here unix.Stat_t
	if unix.Stat(dir, &here) != nil {
		return dir
	}
	for dir != "/" {
		var above unix.Stat_t
		if unix.Stat(filepath.Dir(dir), &above) != nil || above.Dev != here.Dev {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// memory looks at the memory cgroup, by which a creator is killed rather than refused.
func (d *doctor) memory(context.Context) []finding {
	return []finding{memoryFinding(shm.Memory())}
}

func memoryFinding(free uint64, where string, limited bool) finding {
	const check, raise = "memory", "raise the memory limit of the container or unit"
	switch {
	case !limited || free > noLimit:
		return well(check, "no cgroup limits it")
	case free < defaultNeed:
		return fail(check, fmt.Sprintf("%s has %s left, too little for a channel of the default "+
			"size", where, humanize.IBytes(free)), raise)
	case free < littleMemory:
		return warn(check, fmt.Sprintf("%s has %s left, and channels count there", where,
			humanize.IBytes(free)), raise)
	}
	return well(check, fmt.Sprintf("%s has %s left", where, humanize.IBytes(free)))
}

// limits looks at the limits of a process that would create or open channels.
func (d *doctor) limits(context.Context) []finding {
	const files, size, memory = "open files", "file size", "address space"
	var found []finding
	for _, l := range []struct {
		check    string
		resource int
		least    uint64
		why, how string
	}{
		{files, unix.RLIMIT_NOFILE, fewFiles, "each channel takes two descriptors", "ulimit -n"},
		{
			size, unix.RLIMIT_FSIZE, unix.RLIM_INFINITY,
			"a larger channel kills its creator (SIGXFSZ)",
			"ulimit -f unlimited",
		},
		{
			memory, unix.RLIMIT_AS, unix.RLIM_INFINITY, "channels are mapped, all of them",
			"ulimit -v unlimited",
		},
	} {
		var r unix.Rlimit
		if err := unix.Getrlimit(l.resource, &r); err != nil {
			found = append(found, warn(l.check, "limit unknown: "+err.Error(), "see ulimit -a"))
			continue
		}
		switch {
		case r.Cur >= l.least && r.Cur == unix.RLIM_INFINITY:
			found = append(found, well(l.check, "unlimited"))
		case r.Cur >= l.least:
			found = append(found, well(l.check, fmt.Sprintf("at most %d: enough for %d channels",
				r.Cur, r.Cur/filesAChannel)))
		default:
			found = append(found, warn(l.check, fmt.Sprintf("limited to %d: %s", r.Cur, l.why),
				"raise it ("+l.how+")"))
		}
	}
	return found
}
