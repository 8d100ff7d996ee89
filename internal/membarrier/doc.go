// Package membarrier makes all threads of this process pass a full memory barrier, so that
// what is done all the time needs none, and what is done rarely pays for it. It is for Linux.
package membarrier
