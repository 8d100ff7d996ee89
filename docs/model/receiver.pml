/* The death of a receiver, its successor, and which messages may come twice.
 *
 * A sender sends through a ring of two slots; a receiver hands messages to its user, who
 * processes and releases them; head is published late. The receiver is killed anywhere. Whoever
 * takes its byte records the tail (what the dead was given lies before it) and starts at the
 * published head. Rule: only the holder of the byte moves head, and head passes a slot only
 * after its release. Shown: every message is processed, in order; twice only if a receiver was
 * killed, and then it is marked; a slot is never written while somebody may read it.
 *
 * run: clean
 * run: clean -DAT_MOST_ONCE
 * run: assert -DPUBLISH_AT_RECEIVE
 * run: assert -DNO_RECORD
 * run: assert -DROBBED
 * run: deadlock -DNEVER_PUBLISH
 *
 * AT_MOST_ONCE: RecvAppend: copied, released and published before it is processed; lost with its
 *   receiver, never twice.
 * PUBLISH_AT_RECEIVE: head passes a slot when it is handed out; the sender writes into it while
 *   the user reads.
 * NO_RECORD: nobody records the tail at which the receiver died; what comes again is not marked.
 * ROBBED: a receiver that is slow is taken for dead; two hand out the same message.
 * NEVER_PUBLISH: late means never: released room stays unpublished before a wait for more.
 */
#define TOTAL 4
#define SLOTS 2

byte tail, head;                 /* published */
byte redeliver;                  /* tail at which the last receiver was found dead */
bool committed[TOTAL];
byte reading[TOTAL];             /* ghost: users that read the message */
byte processed[TOTAL];
byte deaths;
bool locked, kill, over;

active proctype Sender()
{
	byte n;

	do
	:: n == TOTAL -> break
	:: n < TOTAL && n - head < SLOTS ->
		tail = n + 1;
		/* the slot of a message one lap ago must be nobody's any more */
		assert(n < SLOTS || reading[n - SLOTS] == 0);
		committed[n] = true;
		n++
	od
}

proctype Receiver(bool mortal)
{
	byte next, released, mark;
	bool again, holds, reads;

	{
		skip;
end:		atomic { !locked -> locked = true; holds = true };
#ifndef NO_RECORD
		/* settle the dead */
		if :: deaths > 0 -> redeliver = tail :: else fi;
#endif
		atomic { next = head; released = head; mark = redeliver };
		do
		:: head == TOTAL -> break
		:: next < TOTAL && committed[next] && next == released ->
			again = next < mark;
#ifdef PUBLISH_AT_RECEIVE
			head = next + 1;
#endif
#ifdef AT_MOST_ONCE
			next++;
			released = next;
			head = released;
			atomic { processed[next - 1]++; assert(processed[next - 1] == 1) }
#else
			atomic { reading[next]++; reads = true; assert(reading[next] == 1) };
			/* processing may be done, or not, when the receiver dies */
			atomic {
				processed[next]++;
				assert(processed[next] == 1 || again);
				assert(next == 0 || processed[next - 1] > 0)
			};
			atomic { reading[next]--; reads = false; next++; released = next }
#endif
		:: released > head && (released - head == SLOTS || released == tail) ->
			/* published at the latest now, before a wait */
#ifdef NEVER_PUBLISH
			if :: released == TOTAL -> head = released :: else -> false fi
#else
			head = released
#endif
		:: released > head -> head = released          /* or earlier */
		od;
		over = true
	} unless {
		mortal && kill ->
		atomic {
			/* the kernel: memory first, then the lock */
			if :: reads -> reading[next]--; reads = false :: else fi;
			if :: holds -> deaths++; locked = false :: else fi
		}
	}
}

active proctype Killer()
{
	if :: locked -> kill = true :: skip fi
}

#ifdef ROBBED
/* Somebody gives the byte away after a time-out. */
active proctype Impatient()
{
	atomic { locked -> locked = false }
}
#endif

init
{
	atomic { run Receiver(true); run Receiver(false) };
	over;
#ifndef AT_MOST_ONCE
	assert(processed[0] > 0 && processed[1] > 0 && processed[2] > 0 && processed[3] > 0)
#endif
}
