/* Why a channel with one sender at a time keeps the intent.
 *
 * The place of the only sender passes from one that was killed in the middle of a message to a
 * successor. With intents the receiver sees that the hole is not the successor's. Shown: it
 * gets past the hole while the successor lives and is idle, and never robs him. Leaving the
 * intent out would save one store per message and needs another way to tell holes of the dead
 * from the slot that the living sender is just filling.
 *
 * run: clean
 * run: assert -DRULE=1
 * run: deadlock -DRULE=2
 * run: clean -DRULE=3
 *
 * RULE=1: no intents, "nobody's intent covers it, so skip": robs a sender that lives.
 * RULE=2: no intents, "skip if no sender lives": an idle successor keeps the hole for ever.
 * RULE=3: as 2, and a successor aborts what lies uncommitted between head and tail before it
 *   sends: correct, but then somebody else than the receiver aborts slots.
 */
#ifndef RULE
#define RULE 0
#endif
#define OLD 1
#define NEW 2

byte tail, head, holder, intent;
byte word[3], owner[3];  /* word: 0 uncommitted, 1 full, 2 aborted */
bool kill, oldDead, newSent;

inline send(who)
{
	t = tail;
#if RULE == 0
	intent = t + 1;
#endif
	d_step { tail = t + 1; owner[t] = who };
	d_step { if :: word[t] == 0 -> word[t] = 1 :: else -> assert(false) fi };
	intent = 0
}

active proctype Old()
{
	byte t;

	{
		holder = OLD;
		send(OLD);
end:		false
	} unless { kill -> atomic { holder = 0; oldDead = true } }
}

active proctype Killer()
{
	atomic { holder == OLD -> kill = true }
}

active proctype New()
{
	byte t;

	atomic { oldDead && holder == 0 -> holder = NEW };
	intent = 0;
#if RULE == 3
	t = head;
	do
	:: t < tail -> d_step { if :: word[t] == 0 -> word[t] = 2 :: else fi }; t++
	:: else -> break
	od;
#endif
	send(NEW);
	newSent = true
	/* lives on, idle */
}

active proctype Receiver()
{
	do
	:: head < tail && word[head] != 0 -> head++
	:: head < tail && word[head] == 0 ->
#if RULE == 0
		(word[head] != 0 || intent != head + 1 || holder == 0);
#elif RULE == 2 || RULE == 3
		(word[head] != 0 || holder == 0);
#endif
		d_step {
			if
			:: word[head] == 0 -> assert(owner[head] == OLD && oldDead); word[head] = 2
			:: else
			fi
		}
	:: head == tail && newSent -> break
	od
}
