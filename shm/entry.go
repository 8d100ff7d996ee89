package shm

import (
	"io/fs"
	"time"

	"shmring/internal/layout"
)

// An Entry is one segment file as it lies in its directory.
type Entry struct {
	Name     string
	Path     string
	Size     int64 // bytes
	Mode     fs.FileMode
	UID      uint32
	GID      uint32
	ModTime  time.Time
	Header   layout.Header   // not to be believed if Err is set
	Geometry layout.Geometry // likewise
	Attached bool            // somebody has it open read-write
	Err      error           // why it is no segment that this program can use
}
