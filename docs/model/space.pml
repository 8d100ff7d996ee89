/* Senders that wait for room, beside a receiver that publishes head late.
 *
 * Two senders send through three slots, one a slot at a time, the other all at once; who was woken
 * may find the room taken, or give up because its context ended. The receiver publishes head when two releases are unpublished, when
 * somebody's waiting bit is set, when nothing is held and nothing is there, and before it waits.
 * Publishing is: store head, look at the bits, wake all. Shown: whoever can go on does.
 *
 * run: clean
 * run: deadlock -DWAKE_ONE
 * run: deadlock -DKEEP_BEFORE_WAIT
 * run: deadlock -DBITS_FIRST
 *
 * WAKE_ONE: one sleeper is woken for one slot; that one gives up, and the other sleeps on.
 * KEEP_BEFORE_WAIT: the receiver waits for a message with releases unpublished; the senders wait
 *   for those.
 * BITS_FIRST: the bits are looked at before head is stored.
 */
#define SENDERS 2
#define EACH 2
#define SLOTS 3
#define NEED(p) (1 + 2 * (p))
#define LAZY 2

byte tail, head;
bool mark[SENDERS], moved[SENDERS], asleep[SENDERS];
byte gone;

active [SENDERS] proctype Sender()
{
	byte n, me = _pid;

	do
	:: n == EACH -> break
	:: n < EACH ->
		/* one attempt; reservation and commit are the ring's matter */
		atomic { if :: tail + NEED(me) - head <= SLOTS -> tail = tail + NEED(me); n++; goto next :: else fi };
		mark[me] = true;
		moved[me] = false;                       /* the sample */
		if :: tail + NEED(me) - head <= SLOTS -> goto awake :: else fi;
		atomic { if :: !moved[me] -> asleep[me] = true :: else fi };
		!asleep[me];
		if
		:: mark[me] = false; break               /* its context ended */
		:: skip
		fi;
awake:
		mark[me] = false;
next:
		skip
	od;
	gone++
}

inline bits() { waiting = mark[0] || mark[1] }

inline publish()
{
#ifdef BITS_FIRST
	bits();
	head = released;
#else
	head = released;
	bits();
#endif
	if
	:: waiting ->
#ifdef WAKE_ONE
		atomic {
			moved[0] = true; moved[1] = true;
			if
			:: asleep[0] -> asleep[0] = false
			:: asleep[1] -> asleep[1] = false
			:: !asleep[0] && !asleep[1]
			fi
		}
#else
		atomic { moved[0] = true; moved[1] = true; asleep[0] = false; asleep[1] = false }
#endif
	:: else
	fi
}

active proctype Receiver()
{
	byte next, released;
	bool waiting;

	do
	:: next < tail ->
		next++;
		released = next;
		bits();
		if
		:: released - head >= LAZY || waiting -> publish()
#ifndef KEEP_BEFORE_WAIT
		:: else -> if :: next == tail -> publish() :: else fi
#else
		:: else
#endif
		fi
	:: next == tail ->
#ifndef KEEP_BEFORE_WAIT
		if :: head != released -> publish() :: else fi;
#endif
		if
		:: next < tail
		:: gone == SENDERS && next == tail -> break
		fi
	od
}
