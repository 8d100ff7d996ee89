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
 * run: clean -DRIVAL
 * run: deadlock -DTRUST_TRACE
 * run: assert -DSETTLE_UNLOCKED
 * run: assert -DCLEAR_LATE
 * run: assert -DRIVAL -DSETTLE_UNLOCKED
 * run: assert -DRIVAL -DCLEAR_LATE
 *
 * RIVAL: beside them a sender at another place, which lives, races for the tail; who loses the
 *   CAS clears its intent before it tries again.
 * TRUST_TRACE: a hole is skipped only if the dead owner's intent is still there to prove it. The
 *   newcomer wiped that, and the hole stays for ever.
 * SETTLE_UNLOCKED: who finds a claim number without a lock clears the row without taking the
 *   byte; meanwhile a newcomer has taken it and shown its intent.
 * CLEAR_LATE: the newcomer clears the row after it began to send.
 */
#define OLD 1
#define NEW 2
#define SETTLER 3
#define OTHER 4

byte holder;             /* of the place's byte; 0: free */
byte claim, intent;      /* intent: position + 1 */
byte tail, head;
byte rivalIntent;        /* of the other place, whose byte is never free */
byte word[3], owner[3];  /* word: 0 uncommitted, 1 full, 2 aborted */
bool kill, oldDead, newSent;
#ifdef RIVAL
bool rivalSent;
#else
bool rivalSent = true;
#endif

/* The CAS of tail, from t; whoever loses it has to begin anew. */
inline claimSlot(who)
{
	d_step { won = (tail == t); if :: won -> tail = t + 1; owner[t] = who :: else fi }
}

inline commit()
{
	d_step { if :: word[t] == 0 -> word[t] = 1 :: else -> assert(false) fi }
}

inline send(who)
{
	do
	:: t = tail;
		intent = t + 1;
		claimSlot(who);
		if
		:: won -> break
		:: else -> intent = 0
		fi
	od;
	commit();
	intent = 0
}

active proctype Old()
{
	byte t;
	bool won;

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
	bool won;

	atomic { oldDead && holder == 0 -> holder = NEW };
#ifdef CLEAR_LATE
	do
	:: t = tail;
		intent = t + 1;
		claimSlot(NEW);
		if
		:: won -> break
		:: else -> intent = 0
		fi
	od;
	settle(NEW);
	commit();
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

#ifdef RIVAL
active proctype Rival()
{
	byte t;
	bool won;

	do
	:: t = tail;
		rivalIntent = t + 1;
		claimSlot(OTHER);
		if
		:: won -> break
		:: else -> rivalIntent = 0
		fi
	od;
	commit();
	rivalIntent = 0;
	rivalSent = true
}
#endif

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
		:: rivalIntent == head + 1 -> covered = true
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
			(word[head] != 0 || rivalIntent != head + 1 && (intent != head + 1 || holder == 0))
#endif
		fi
	:: head == tail && newSent && rivalSent -> break
	od
}
