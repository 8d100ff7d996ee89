// Package race shows the race detector what it cannot see. The detector ignores
// memory that is mapped, so the order that a channel gives to two goroutines of one
// process is invisible to it, and it would report races on the user's own data that
// the channel orders. A Token is an ordinary word on the heap, shared by all
// attachments of a segment in this process: a send releases it, a receive acquires
// it. Without -race everything here compiles to nothing.
package race
