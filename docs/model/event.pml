/* The value of a named event: a word that names a buffer, and two buffers for each place.
 *
 * A signaller writes a buffer of its own place that the word does not name, gives it the next
 * sequence, and publishes it by a CAS of the word; if it lost, with a later sequence again. At
 * one place a signaller is killed anywhere and a successor takes the place; at another one
 * somebody signals too. A reader loads the word, the buffer's header, the value, and the header
 * again. Shown: what it returns is the whole value of that very sequence, sequences do not go
 * back, a header that does not fit is never found under a word that stands still (which is
 * called damage), and every signal that won its CAS has a sequence of its own.
 *
 * run: clean
 * run: clean full -DMORE
 * run: assert -DONE_BUFFER
 * run: assert -DNO_SECOND_LOOK
 * run: assert -DHEADER_KEPT
 * run: assert -DBLIND_SUCCESSOR
 * run: assert -DSHARED_PLACE
 *
 * MORE: the signaller at the other place signals twice too, and the reader looks twice.
 * ONE_BUFFER: a place has one buffer, so its holder writes into the one that is published; a
 *   kill leaves neither the old value nor the new one.
 * NO_SECOND_LOOK: the reader does not look at the header after it copied.
 * HEADER_KEPT: the writer does not take the header back before it changes the value.
 * BLIND_SUCCESSOR: who takes a place begins with its first buffer, without a look at the word.
 * SHARED_PLACE: two signallers use one place's buffers at the same time.
 */
#ifdef ONE_BUFFER
#define K 1
#else
#define K 2
#endif
#define BUFFERS (2 * K)
#ifdef MORE
#define OTHERS 2
#define LOOKS 2
#else
#define OTHERS 1
#define LOOKS 1
#endif
#define MOST 7                 /* all signals of all, and one */
#define NONE 255

byte seq, cur;                 /* the word: read and changed in one step */
byte header[BUFFERS];          /* sequence, NONE: being written */
byte left[BUFFERS], right[BUFFERS]; /* the two words of a value */
byte truth[MOST];              /* what was published under each sequence */
bool kill, vacant, done[3];

inline signal(id, place, mine)
{
	atomic { s = seq; c = cur };
#ifndef ONE_BUFFER
	mine = 1 - mine;
#ifdef BLIND_SUCCESSOR
	if
	:: !fresh && place * K + mine == c -> mine = 1 - mine
	:: else
	fi;
	fresh = false;
#else
	if :: place * K + mine == c -> mine = 1 - mine :: else fi;
#endif
#endif
	b = place * K + mine;
#ifndef HEADER_KEPT
	header[b] = NONE;
#endif
	left[b] = id;
	right[b] = id;
	do
	:: header[b] = s + 1;
		atomic {
			if
			:: seq == s && cur == c ->
				seq = s + 1;
				cur = b;
				truth[s + 1] = id;
				break
			:: else
			fi
		};
		atomic { s = seq; c = cur }
	od
}

/* A signaller of a place; its values begin at 10 * me. */
inline signalAll(me, place, count)
{
	n = 0;
	mine = K - 1;
	fresh = true;
	do
	:: n < count -> signal(10 * me + n, place, mine); n++
	:: else -> break
	od
}

active proctype Victim()
{
	byte s, c, b, n, mine;
	bool fresh;

	{ signalAll(1, 0, 2) } unless { kill };
	atomic { vacant = true; done[0] = true }
}

active proctype Killer() { kill = true }

active proctype Successor()
{
	byte s, c, b, n, mine;
	bool fresh;

#ifndef SHARED_PLACE
	vacant;                    /* the kernel frees the byte when the memory is gone */
#endif
	signalAll(2, 0, 2);
	done[1] = true
}

active proctype Other()
{
	byte s, c, b, n, mine;
	bool fresh;

	signalAll(3, 1, OTHERS);
	done[2] = true
}

active proctype Reader()
{
	byte s, c, h, l, r, last, looks;

	do
	:: looks < LOOKS ->
again:
		atomic { s = seq; c = cur };
		h = header[c];
		if
		:: h != s -> goto raced
		:: else
		fi;
		l = left[c];
		r = right[c];
#ifndef NO_SECOND_LOOK
		if
		:: header[c] != h -> goto raced
		:: else
		fi;
#endif
		assert(l == r && l == truth[s]);
		assert(s >= last);
		last = s;
		looks++;
		goto next;
raced:
		/* the code calls it damage if the word is the same still */
		assert(!(seq == s && cur == c));
		goto again;
next:
		skip
	:: looks == LOOKS -> break
	od;
	/* all have ended: the last value is there, whole */
	done[0] && done[1] && done[2];
	assert(header[cur] == seq && left[cur] == truth[seq] && right[cur] == truth[seq]);
	assert(seq >= 2 + OTHERS)
}
