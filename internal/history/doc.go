// Package history keeps what processes did to a channel in logs that survive their
// SIGKILL, and checks a whole run of them in one pass: nothing lost, torn, doubled, out of
// order or out of nothing. It is for tests; no product code imports it.
//
// Every message carries who sent it, its number and its length (Fill, Verify). A process
// writes an operation into its log before it begins it and completes the record after it
// ended, so an operation that is begun and not ended in the log of somebody who was killed
// may have happened or not.
package history
