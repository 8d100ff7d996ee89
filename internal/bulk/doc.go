// Package bulk copies large payloads between private memory and a segment.
//
// Go's copy loads what it is about to overwrite, which here is a line in the cache of the
// other process, and from a megabyte on goes past the caches to memory, from where the other
// process has to fetch it. The string instructions of a processor take lines over without
// reading them, and leave them in the cache.
package bulk
