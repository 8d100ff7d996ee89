//go:build linux

package shm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestNoticesAreSpacedAndCoalesced(t *testing.T) {
	start := time.Now()
	w := &watch{pending: NoticeAttrib, want: true}
	n, due, _ := w.next(start)
	assert.True(t, due, "the first at once")
	assert.Equal(t, NoticeAttrib, n)
	_, due, wait := w.next(start)
	assert.False(t, due)
	assert.Negative(t, wait, "nothing is outstanding")

	w.want = true
	_, due, wait = w.next(start.Add(time.Millisecond))
	assert.False(t, due)
	assert.Equal(t, noticeGap-time.Millisecond, wait)
	n, due, _ = w.next(start.Add(noticeGap))
	assert.True(t, due)
	assert.Equal(t, NoticeClosed, n, "the strongest is forgotten once it was given")
}

func TestRepeatsComeOnceEach(t *testing.T) {
	start := time.Now()
	w := &watch{}
	for i, after := range repeatAfter {
		w.repeats[i] = start.Add(after)
	}
	for i, after := range repeatAfter {
		passed := time.Duration(0)
		if i > 0 {
			passed = repeatAfter[i-1]
		}
		_, due, wait := w.next(start.Add(passed))
		assert.False(t, due)
		assert.Equal(t, after-passed, wait)
		n, due, _ := w.next(start.Add(after))
		assert.True(t, due)
		assert.Equal(t, NoticeRepeat, n)
	}
	_, due, wait := w.next(start.Add(time.Hour))
	assert.False(t, due)
	assert.Negative(t, wait)
}

func TestRepeatsThatAreLateComeOnceEachToo(t *testing.T) {
	start := time.Now()
	w := &watch{}
	for i, after := range repeatAfter {
		w.repeats[i] = start.Add(after)
	}
	for range repeatAfter {
		_, due, _ := w.next(start.Add(time.Hour))
		assert.True(t, due)
	}
	_, due, _ := w.next(start.Add(time.Hour))
	assert.False(t, due)
}
