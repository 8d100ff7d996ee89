/* The event: a sequence word and a waiting mark.
 *
 * Two senders publish messages, a closer seals, and each sender may be killed before its commit
 * or between its commit and its wake-up. The receiver announces itself, samples the sequence,
 * looks again, and only then sleeps until the sequence moves. Shown: it never sleeps for ever,
 * although a waker makes no system call while the mark is clear. What a sender owed when it
 * was killed is made good by the death notice, which wakes without looking at the mark.
 *
 * run: clean
 * run: deadlock -DLOOK_BEFORE_SAMPLE
 * run: deadlock -DNO_NOTICE
 * run: assert -DWAKER_CLEARS
 *
 * LOOK_BEFORE_SAMPLE: nothing is looked at after the announcement; a publication that fell
 *   between the look and the announcement is slept through.
 * NO_NOTICE: nobody makes up for a sender killed between its commit and its wake-up.
 * WAKER_CLEARS: the waker clears the mark on behalf of the sleeper. It then clears the mark of
 *   a later announcement, and a sleeper without a mark is one nobody will ever wake.
 */
#define SENDERS 2
#define EACH 2

byte committed, taken;        /* messages visible to the receiver; received */
byte accepted, holes;         /* reserved before the seal; of these, never to be committed */
bool sealed, waiting, asleep;
byte sequence, gone;

inline signal()
{
	if
	:: waiting ->
#ifdef WAKER_CLEARS
		waiting = false;
#endif
		sequence++;
		asleep = false
	:: else
	fi
}

proctype Sender()
{
	byte n;

	do
	:: n < EACH ->
		atomic { if :: sealed -> goto out :: else -> accepted++ fi };
		if :: atomic { holes++; goto killed } :: skip fi;
		committed++;
		if :: goto killed :: skip fi;
		signal();
		n++
	:: else -> goto out
	od;
killed:
#ifndef NO_NOTICE
	atomic { sequence++; asleep = false };
#endif
out:
	gone++
}

proctype Closer()
{
	sealed = true;
	signal()
}

#define DONE (sealed && taken == committed && taken + holes == accepted)

proctype Receiver()
{
	byte seen;

look:
	if
	:: taken < committed -> taken++; goto look
	:: else
	fi;
	if :: DONE -> goto fin :: else fi;
	waiting = true;
	seen = sequence;
#ifndef LOOK_BEFORE_SAMPLE
	if
	:: taken < committed || DONE -> waiting = false; goto look
	:: else
	fi;
#endif
	/* The kernel compares and queues in one step. */
	atomic {
		if
		:: sequence == seen ->
#ifdef WAKER_CLEARS
			assert(waiting);
#endif
			asleep = true
		:: else
		fi
	};
	!asleep;
	waiting = false;
	goto look;
fin:
	assert(taken == committed)
}

init { atomic { run Sender(); run Sender(); run Closer(); run Receiver() } }
