package shm

import (
	"io/fs"

	"shmring/internal/layout"
)

// DefaultMode is the permission of a segment unless the creator says otherwise.
const DefaultMode fs.FileMode = 0o600

// CreateOptions say what segment to make.
type CreateOptions struct {
	Dir    string // empty: Dir()
	Name   string // empty: nameless
	Params layout.Params
	Mode   fs.FileMode        // permission bits, whatever the umask; 0: DefaultMode
	Init   func(*layout.View) // fills the zeroed control words before anybody can see them
}

// OpenOptions say what segment to attach to and how.
type OpenOptions struct {
	Dir       string // empty: Dir()
	Name      string
	ReadOnly  bool     // observe: map read-only, claim and lock nothing
	AllowUIDs []uint32 // owners to trust besides this process's own uid
}

// RemoveOptions say what may be lost.
type RemoveOptions struct {
	// Force removes a segment whose unread messages are lost, and one that cannot be
	// read. It never removes one that somebody is attached to.
	Force bool
	// Unread counts messages that nobody has received. It runs with the segment mapped
	// read-only and under its control lock. Nil: nothing can be unread.
	Unread func(*layout.View) (uint64, error)
}
