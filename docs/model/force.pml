/* A forced close, and what it says about the messages that it gives up.
 *
 * Two senders have reserved a slot each before the seal; their commits and a forced close come
 * in any order. Receiver or closer, whoever holds the receiver's byte, counts the full slots and
 * those that are reserved and may still be committed, stores both counts, and moves head to
 * tail. With KILLS the receiver is killed anywhere. Shown: every Send that returned nil was
 * received or is in one of the counts, and the count of full slots has nothing else in it.
 *
 * run: clean
 * run: clean -DKILLS
 * run: assert -DFULL_ONLY
 * run: assert -DKILLS -DADDED
 *
 * FULL_ONLY: only full slots are counted. A sender between its reservation and its commit at
 *   that instant is told nil, and its message is in no count.
 * ADDED: counts are added, not stored; a successor of a receiver that was killed between
 *   counting and moving head counts the same slots again.
 */
#define TAIL 2

bool committed[TAIL];
bool forced, kill;
byte holder;             /* of the receiver's byte: 0 nobody, 1 receiver, 2 closer */
byte head, whole, open, acked, got;

active [TAIL] proctype Sender()
{
	atomic { committed[_pid] = true; acked++ }
}

inline discard()
{
	n = 0; o = 0; i = head;
	do
	:: i < TAIL -> atomic { if :: committed[i] -> n++ :: else -> o++ fi; i++ }
	:: i == TAIL -> break
	od;
#ifdef FULL_ONLY
	o = 0;
#endif
#ifdef ADDED
	whole = whole + n;
#else
	whole = n;
#endif
	open = o;
	head = TAIL
}

active proctype Receiver()
{
	byte i, n, o;

	{
		atomic { if :: holder == 0 -> holder = 1 :: else -> goto out fi };
		do
		:: forced -> break
		:: !forced && head < TAIL && committed[head] -> atomic { got++; head++ }
		:: !forced && head == TAIL -> break
		od;
		if :: forced && head < TAIL -> discard() :: else fi;
		holder = 0;
out:
		skip
	} unless { kill -> atomic { if :: holder == 1 -> holder = 0 :: else fi } }
}

active proctype Closer()
{
	byte i, n, o;

	forced = true;
	atomic { holder == 0 -> holder = 2 };
	if :: head < TAIL -> discard() :: else fi;
	holder = 0
}

#ifdef KILLS
active proctype Killer()
{
	if :: kill = true :: skip fi
}
#endif

active proctype Judge()
{
	timeout;
	assert(head == TAIL);
	assert(got + whole <= acked);
	assert(acked <= got + whole + open)
}
