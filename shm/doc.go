// Package shm owns segment files: how they come into being, who is attached, who
// lives, and when they go.
//
// A Segment is one attachment: one open file description with one mapping.
//
//	/dev/shm/shmring.<name>      bytes 0 … size        mapped, see internal/layout
//	lock bytes at 1<<62          +0  attached          shared by every attachment
//	                             +1  control           exclusive, one operation long
//	                             +16 places            exclusive, one a participant
//
// # What it guarantees
//
// A name refers to a complete segment or to nothing: a file is created without a
// name, its space allocated, filled in, and then linked. Nothing read from a file is
// believed before owner, type, links, size, magic, version, checksum and fingerprint
// were checked, and its geometry is read once.
//
// Who lives is asked of the kernel. Locks are open-file-description locks, taken on
// the very description that is mapped, so that a free lock means that no address
// space can still write through it: the kernel drops the lock after it took down the
// memory of the dead. Pids are for people and decide nothing.
//
// # Caveats
//
// Locks of this kind are on a description: a child that was forked without exec
// and inherited one keeps its lock. Go programs cannot do that; mappings are marked
// so that a C library that forks does not pass them on. Seccomp profiles and
// sandboxes without these locks are refused with an error when a segment is opened.
//
// On other systems than Linux, and on other processors than amd64 and arm64, everything
// that would make, open, list or remove a segment fails with errors.ErrUnsupported.
package shm
