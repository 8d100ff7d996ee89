package shm

// A Notice says why somebody should look at a segment again.
type Notice uint8

// Notices.
const (
	// NoticeClosed: somebody closed the file, by choice or by death.
	NoticeClosed Notice = iota
	// NoticeRepeat: the same once more, since the kernel tells of a close a little
	// before it frees the locks, and may let others run in between.
	NoticeRepeat
	// NoticeAttrib: the file's attributes changed, maybe its link count, or its size.
	NoticeAttrib
	// NoticeIgnored: the kernel had dropped the watch; it was set anew. It stands for
	// every other notice. The kernel does that after an unlink, when the last descriptor
	// goes that was opened by the name, or the last one from before there was a name.
	NoticeIgnored
)
