// Package guard holds what the data path costs where no clock is needed to know it, so
// that every run of the tests says so on any machine, however busy: allocations, system
// calls, wake-ups, machine instructions for a message, and that small functions of the
// path are inlined. There is nothing to import.
package guard
