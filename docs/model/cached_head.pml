/* When a sender may believe the head it read earlier.
 *
 * Positions wrap (here after 8, really after 2^40 and more), so the difference between tail
 * and an old head may look small although the ring is full. Rule: the cached head counts only
 * while tail is still what this sender's own last CAS wrote; otherwise head is loaded. The
 * true, unwrapped positions stand beside in variables that no sender reads. Shown: whoever wins
 * the CAS has room.
 *
 * The other sender sends fewer than 8 messages meanwhile: a tail that comes round to exactly
 * the same word is what no rule on this word can see, and what the width of it is for.
 *
 * run: clean
 * run: assert -DBELIEVE_ALWAYS
 *
 * BELIEVE_ALWAYS: the cached head is used whatever tail is; a full ring is overwritten.
 */
#define WRAP 8
#define SLOTS 2
#define DIST(a, b) ((a - b + WRAP) % WRAP)

byte tail, head;        /* modulo WRAP */
byte trueTail, trueHead;

proctype Sender(byte n)
{
	byte t, cached, own;
	bool known;

	do
	:: n == 0 -> break
	:: n > 0 ->
end:		t = tail;
#ifdef BELIEVE_ALWAYS
		if :: known :: else -> cached = head fi;
#else
		if :: known && t == own :: else -> cached = head fi;
#endif
		known = true;
		if
		:: DIST(t, cached) >= SLOTS ->
			cached = head;
			if :: DIST(t, cached) >= SLOTS -> goto again :: else fi
		:: else
		fi;
		atomic {
			if
			:: tail == t ->
				assert(trueTail - trueHead < SLOTS);
				tail = (t + 1) % WRAP;
				trueTail++;
				own = tail;
				n--
			:: else
			fi
		};
again:		skip
	od
}

active proctype Receiver()
{
end:	do
	:: atomic { trueTail > trueHead -> trueHead++; head = (head + 1) % WRAP }
	od
}

init { atomic { run Sender(7); run Sender(2) } }
