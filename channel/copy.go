package channel

import "shmring/internal/bulk"

// Copy is copy for payloads that are written or read in place: into [Lease.Bytes], out of
// [Message.Bytes]. The two must not overlap. Send and RecvAppend use it as well.
//
// From 2 KiB on it is faster on amd64. Go's copy loads the lines that it is about to overwrite, and
// those of a channel are in the cache of the other process; from 1 MiB on it goes past the
// caches, so that the other process has to fetch everything from memory. The string instructions of
// the processor (enhanced rep movsb) take lines over without reading them, and leave them in
// the cache. From 8 MiB on, where no cache would hold it, Copy is copy.
func Copy(dst, src []byte) int { return bulk.Copy(dst, src) }
