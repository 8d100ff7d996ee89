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
	w := &watch{repeats: [2]time.Time{start.Add(firstRepeat), start.Add(secondRepeat)}}
	_, due, wait := w.next(start)
	assert.False(t, due)
	assert.Equal(t, firstRepeat, wait)
	n, due, _ := w.next(start.Add(firstRepeat))
	assert.True(t, due)
	assert.Equal(t, NoticeRepeat, n)
	_, due, wait = w.next(start.Add(firstRepeat))
	assert.False(t, due)
	assert.Equal(t, secondRepeat-firstRepeat, wait)
	n, due, _ = w.next(start.Add(time.Hour))
	assert.True(t, due)
	assert.Equal(t, NoticeRepeat, n)
	_, due, wait = w.next(start.Add(time.Hour))
	assert.False(t, due)
	assert.Negative(t, wait)
}
