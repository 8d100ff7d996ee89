package futex

import "runtime/debug"

// faults runs fn and reports whether it met memory that is gone: another process may
// truncate the file behind a word while somebody sleeps on it.
func faults(fn func()) (gone bool) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			if _, gone = r.(interface{ Addr() uintptr }); !gone {
				panic(r)
			}
		}
	}()
	fn()
	return false
}
