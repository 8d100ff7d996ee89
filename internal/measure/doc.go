// Package measure is what the benchmarks between processes and shmctl bench have in
// common: a clock that all processes share, a schedule of messages that makes no
// allowance for a slow receiver, payloads that are verified, percentiles, the core that a
// process is pinned to, what it has used up, and the facts of the machine.
//
// Its functions may be called by several goroutines at a time, its types by one.
package measure
