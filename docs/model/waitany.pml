/* One call that waits for two rings: channel.Wait over futex_waitv.
 *
 * Two senders send into a ring each; one of them may be killed between its commit and its
 * wake-up, which the notice of its death makes good. A receiver of both sets its waiting bits,
 * samples both sequences, looks at both rings, and sleeps on both words at once. Shown: it gets
 * every message and never sleeps for ever.
 *
 * run: clean
 * run: deadlock -DONE_LOOK
 * run: deadlock -DLOOK_AND_SAMPLE
 * run: deadlock -DONE_WORD
 * run: deadlock -DANNOUNCE_ONE
 * run: deadlock -DNO_NOTICE
 *
 * ONE_LOOK: after the samples only the first ring is looked at.
 * LOOK_AND_SAMPLE: each ring is looked at, and then its sequence is sampled.
 * ONE_WORD: the sleep is on the first word alone.
 * ANNOUNCE_ONE: a bit is set in one ring only.
 * NO_NOTICE: nobody makes up for a sender that was killed.
 */
#define EACH(i) (1 + (i))         /* messages of each */

byte committed[2], taken[2];
bool waiting[2], hears[2];       /* the bits; the words that the sleeper is queued on */
byte sequence[2];
bool asleep;
byte gone;

inline wake(i)
{
	sequence[i]++;
	atomic { if :: hears[i] -> asleep = false :: else fi }
}

active [2] proctype Sender()
{
	byte n, me = _pid;

	do
	:: n == EACH(me) -> break
	:: n < EACH(me) ->
		/* maybe it goes on only when the one before was received */
		if :: skip -> taken[me] == n :: skip fi;
		atomic { committed[me]++; n++ };
		if
		:: me == 1 ->                            /* killed here */
#ifndef NO_NOTICE
			wake(me);
#endif
			break
		:: true
		fi;
		if
		:: waiting[me] -> wake(me)
		:: else
		fi
	od;
	/* one that leaves tells of it as well */
	gone++;
#ifdef NO_NOTICE
	if :: me == 0 -> wake(0) :: else fi
#else
	wake(me)
#endif
}

#define THERE(i) (taken[i] < committed[i])
#define END (gone == 2 && !THERE(0) && !THERE(1))

active proctype Receiver()
{
	byte seen[2];

	do
	:: END -> break
	:: else ->
		if
		:: THERE(0) -> taken[0]++; goto again
		:: else
		fi;
		if
		:: THERE(1) -> taken[1]++; goto again
		:: else
		fi;
		waiting[0] = true;
#ifndef ANNOUNCE_ONE
		waiting[1] = true;
#endif
sleep:
#ifdef LOOK_AND_SAMPLE
		if :: THERE(0) || END -> goto awake :: else fi;
		seen[0] = sequence[0];
		if :: THERE(1) || END -> goto awake :: else fi;
		seen[1] = sequence[1];
#else
		seen[0] = sequence[0];
		seen[1] = sequence[1];
		if :: THERE(0) || END -> goto awake :: else fi;
#ifndef ONE_LOOK
		if :: THERE(1) || END -> goto awake :: else fi;
#endif
#endif
		/* the kernel compares and queues in one step */
		atomic {
			if
#ifdef ONE_WORD
			:: sequence[0] == seen[0] -> asleep = true; hears[0] = true
#else
			:: sequence[0] == seen[0] && sequence[1] == seen[1] ->
				asleep = true; hears[0] = true; hears[1] = true
#endif
			:: else
			fi
		};
		atomic { !asleep -> hears[0] = false; hears[1] = false };
		goto sleep;
awake:
		waiting[0] = false;
		waiting[1] = false;
again:
		skip
	od;
	assert(taken[0] == 1 && taken[1] >= 1)
}
