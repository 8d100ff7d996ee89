// Package bench measures shmring between processes, and beside it, in the same run, the
// bare means that it is built of: two words in a shared mapping, a futex, a pipe, a
// socket and memcpy. Its README says what is measured and how to read it.
//
// There is nothing here to import: everything is in the test binary, which starts itself
// again as the other side of each benchmark.
package bench
