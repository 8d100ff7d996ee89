package channel

import "time"

// NoSlices makes every long sleep last until somebody wakes it: slices hide lost
// wake-ups.
func NoSlices() { testSlice = 24 * time.Hour }

// Blind makes an attachment one that gets no death notices.
func (ch *Channel) Blind() { ch.noInotify.Store(true) }
