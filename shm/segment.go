package shm

import (
	"os"
	"sync"
	"sync/atomic"

	"shmring/internal/layout"
)

// A Segment is one attachment: an open file description, its mapping, and the locks
// it holds. Its methods may be called concurrently, except that nobody may use View
// or what came from it during or after Close and Detach.
type Segment struct {
	name     string // empty: nameless
	path     string
	header   layout.Header
	view     *layout.View
	mem      []byte
	readOnly bool
	dev, ino uint64

	life  sync.RWMutex // keeps descriptors open while one is used
	file  *os.File     // the description that is mapped and holds the locks; nil: closed
	probe *os.File     // never mapped, holds nothing: sees the locks of all, also ours

	mu      sync.Mutex
	claimed [layout.MaxParticipants]bool // places locked by this description

	leaving atomic.Bool   // Detach has begun
	control chan struct{} // full while somebody of ours has or awaits the control lock
}

// View returns typed access to the memory, valid until Close or Detach.
func (s *Segment) View() *layout.View { return s.view }

// Header returns the checked header, a private copy.
func (s *Segment) Header() layout.Header { return s.header }

// Name returns the name; empty if the segment has none.
func (s *Segment) Name() string { return s.name }

// Path returns the file's path; empty if the segment has no name.
func (s *Segment) Path() string { return s.path }

// Instance returns the random identity of the segment.
func (s *Segment) Instance() [16]byte { return s.header.Instance }

// ReadOnly reports whether this attachment can only observe.
func (s *Segment) ReadOnly() bool { return s.readOnly }

// Nameless reports whether the segment was made without a name. One that was unlinked
// since is not nameless, whatever it was opened through.
func (s *Segment) Nameless() bool { return s.header.Options&layout.OptNameless != 0 }

// SameBoot reports whether the segment was created since the kernel booted. Where the boot
// id is hidden from its creator or from us it is taken to be: nothing may be thrown away
// for what is not known.
func (s *Segment) SameBoot() bool {
	var hidden [16]byte
	then, now := s.header.BootID, bootID()
	return then == now || then == hidden || now == hidden
}
