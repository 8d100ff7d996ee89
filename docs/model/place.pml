/* Taking the place of the dead: its byte, its row, and the hole it may have left.
 *
 * A sender at a place is killed anywhere; a newcomer takes the free byte, settles (clears the
 * claim number and the intent) and sends, while others who look settle too, and the receiver
 * skips holes. Rule: whoever settles holds the byte, and looks at the claim number again under
 * it; the newcomer clears before its first intent; and the skip rule asks for no trace of the
 * dead, only for living intents. Shown: a living owner is never robbed, the receiver gets past
 * every hole, and the row of a living holder is never emptied.
 *
 * run: clean
 * run: deadlock -DTRUST_TRACE
 * run: assert -DSETTLE_UNLOCKED
 * run: assert -DCLEAR_LATE
 *
 * TRUST_TRACE: a hole is skipped only if the dead owner's intent is still there to prove it. The
 *   newcomer wiped that, and the hole stays for ever.
 * SETTLE_UNLOCKED: who finds a claim number without a lock clears the row without taking the
 *   byte; meanwhile a newcomer has taken it and shown its intent.
 * CLEAR_LATE: the newcomer clears the row after it began to send.
 */
#define OLD 1
#define NEW 2
#define SETTLER 3

byte holder;             /* of the place's byte; 0: free */
byte claim, intent;      /* intent: position + 1 */
byte tail, head;
byte word[2], owner[2];  /* word: 0 uncommitted, 1 full, 2 aborted */
bool kill, oldDead, newSent;

inline send(who)
{
	/* one sender at a time here: the CAS cannot be lost, but tail moves after the intent */
	t = tail;
	intent = t + 1;
	d_step { tail = t + 1; owner[t] = who };
	d_step { if :: word[t] == 0 -> word[t] = 1 :: else -> assert(false) fi };
	intent = 0
}

active proctype Old()
{
	byte t;

	{
		atomic { holder = OLD; claim = OLD };
		send(OLD);
end:		false                    /* stays attached */
	} unless { kill -> atomic { if :: holder == OLD -> holder = 0 :: else fi; oldDead = true } }
}

active proctype Killer()
{
	atomic { claim == OLD -> kill = true }
}

inline settle(me)
{
	if
	:: claim != 0 ->
		assert(claim != NEW);
		intent = 0;
		claim = 0
	:: else
	fi
}

active proctype New()
{
	byte t;

	atomic { oldDead && holder == 0 -> holder = NEW };
#ifdef CLEAR_LATE
	t = tail;
	intent = t + 1;
	d_step { tail = t + 1; owner[t] = NEW };
	settle(NEW);
	d_step { if :: word[t] == 0 -> word[t] = 1 :: else -> assert(false) fi };
#else
	settle(NEW);
	intent = 0;
	claim = NEW;
	send(NEW);
#endif
	newSent = true
	/* lives on */
}

active proctype Settler()
{
	if
	:: claim == OLD && holder == 0 && oldDead ->
#ifndef SETTLE_UNLOCKED
		atomic { if :: holder == 0 -> holder = SETTLER :: else -> goto out fi };
		settle(SETTLER);
		holder = 0
#else
		intent = 0;
		claim = 0
#endif
	:: newSent
	fi;
out:
	skip
}

active proctype Receiver()
{
	byte t;
	bool covered;

	do
	:: head < tail && word[head] != 0 -> head++
	:: head < tail && word[head] == 0 ->
		atomic { covered = (intent == head + 1) };
#ifdef TRUST_TRACE
		/* skipped only as the slot of somebody known to be dead */
		if
		:: covered && holder == 0 ->
#else
		if
		:: covered -> atomic { if :: holder == 0 -> covered = false :: else fi }
		:: else
		fi;
		if
		:: !covered ->
#endif
			d_step {
				if
				:: word[head] == 0 ->
					assert(owner[head] == OLD && oldDead);
					word[head] = 2
				:: else
				fi
			}
		:: else
			/* a slice later, when a look finds something */
#ifdef TRUST_TRACE
			(word[head] != 0 || (intent == head + 1 && holder == 0))
#else
			(word[head] != 0 || intent != head + 1 || holder == 0)
#endif
		fi
	:: head == tail && newSent -> break
	od
}
