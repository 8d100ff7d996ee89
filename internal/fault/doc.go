// Package fault names the places where a kill, a stop or an error could separate two
// steps of the protocol. Without the build tag "fault" every call compiles to nothing;
// with it, the environment variable SHMRING_FAULT or a hook decides what happens there:
//
//	SHMRING_FAULT=ring.reserve.cas:kill:3,channel.settle.row:sleep=5ms
//
// A rule is name:action[:hit]. It acts at the given hit of the point, the first if
// none is given. The name * stands for every point: *:kill:17 kills at the 17th point that
// is passed. Actions are kill (SIGKILL to the own process), stop (SIGSTOP), exit, panic,
// sleep=DURATION, and errno=N where the point is before a call of the kernel (Err).
package fault
