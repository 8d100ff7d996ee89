package main

const intro = "# Layout of a segment, version %d\n\n" +
	"Written by `go generate ./internal/layout` from that package's structs; do not edit.\n" +
	"The fingerprint of this description is `%#016x`; every segment carries it, and\n" +
	"a program with another one refuses to open the segment.\n\n" +
	"All integers are little-endian and naturally aligned. Offsets and sizes are in\n" +
	"bytes. Bytes that belong to no field are zero. Words that several processes write\n" +
	"lie 128 bytes apart.\n"

const ruler = "\n## The whole segment\n\n" +
	"Sizes are those of a default channel: 64 participants, 256 slots of 64 bytes, 1 MiB\n" +
	"of arena. Where the regions after the participants begin follows from the header's\n" +
	"numbers: each of slots and arena begins at a multiple of 4096.\n\n"

const words = "\n## Words inside slots\n\n" +
	"A slot is a commit word, then a checksum (option 2) and a timestamp (option 4) of\n" +
	"eight bytes each if the segment has them, then the payload, or a reference to it in\n" +
	"the arena.\n\n" +
	"```\n" +
	"commit word   63        38 37   36 35      28 27          0\n" +
	"              [ lap tag   ][ kind ][ reserved ][  length   ]\n" +
	"              kind: 0 not committed, 1 payload here, 2 payload in the arena, 3 aborted\n" +
	"              lap tag: slot position divided by the number of slots, modulo 2^26\n" +
	"reference     63                     32 31                0\n" +
	"              [ reserved arena units   ][ arena position  ]    in units of 64 bytes\n" +
	"```\n\n" +
	"## Events\n\n" +
	"A segment of kind 2 is an event and has no ring. `Tail.V` is its event word, `Head.V` is\n" +
	"zero. Its slots are buffers of 256 bytes, four for each place: a header, eight bytes that\n" +
	"are zero, and up to 240 bytes of value. `Data` is the event that waiters sleep on.\n\n" +
	"```\n" +
	"event word    63  62                        10 9          0\n" +
	"              [0][ sequence                   ][ buffer   ]\n" +
	"header        63  62                        10 9  8 7     0\n" +
	"              [0][ sequence                   ][ 01][length]      0: being written\n" +
	"```\n\n" +
	"## Lock bytes\n\n" +
	"Open file description locks far beyond the data, from the header's lock offset on:\n\n" +
	"| byte | held | meaning |\n|---:|---|---|\n" +
	"| 0 | shared | attached for reading and writing |\n" +
	"| 0 | exclusive | being unlinked or replaced |\n" +
	"| 1 | exclusive | control lock |\n" +
	"| 16 + place | exclusive | the participant of that place is alive |\n"
