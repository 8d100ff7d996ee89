/* Intents by plain stores, on a processor that keeps stores in a buffer.
 *
 * Two senders show their intent by a plain store, which stays in the sender's buffer for any time
 * and becomes visible in order; the CAS of tail and the store of the commit word are locked
 * instructions, which wait until the buffer is empty. A sender is killed anywhere; what its
 * buffer holds becomes visible before its byte is free, since the kernel's own locks are locked
 * instructions too. The receiver skips a hole that no living sender's intent covers, after a
 * second look. Shown: no living owner is robbed, and the receiver gets past every hole though an
 * intent is cleared late.
 *
 * run: clean
 * run: assert -DCAS_BESIDE_BUFFER
 * run: assert -DCLEAR_OVERTAKES
 * run: assert -DFREE_BEFORE_DRAINED
 *
 * CAS_BESIDE_BUFFER: the CAS does not wait for the buffer: somebody owns a slot and nobody can
 *   see it.
 * CLEAR_OVERTAKES: the cleared intent becomes visible before the commit word: a processor that
 *   reorders stores.
 * FREE_BEFORE_DRAINED: the byte of the dead is free while a store of his is still on its way: it
 *   lands in the row of a newcomer, which it makes look idle.
 */
#define OLD 0                   /* killed anywhere */
#define RIVAL 1                 /* at the other place; lives */
#define NEW 2                   /* on the place of OLD */

byte tail, head;
byte word[4];                   /* 0 uncommitted, 1 full, 2 aborted */
byte owner[4];
byte intent[2];                 /* position + 1, as others see it */
chan buffer[3] = [2] of { byte };
bool kill, dead, free, taken;   /* of OLD; its byte is free; NEW has it */
byte done;

#ifdef CAS_BESIDE_BUFFER
#define DRAINED(me) true
#else
#define DRAINED(me) empty(buffer[me])
#endif

/* Stores leave a buffer one by one, at any time. */
proctype Buffer(byte me; byte place)
{
	byte v;

end:	do
	:: atomic { buffer[me]?v -> intent[place] = v }
	od
}

inline send(me, place)
{
	do
	:: t = tail;
		buffer[me]!t + 1;
		atomic {
			DRAINED(me);
			won = (tail == t);
			if :: won -> tail = t + 1; owner[t] = me :: else fi
		};
		if
		:: won -> break
		:: else -> buffer[me]!0
		fi
	od;
#ifdef CLEAR_OVERTAKES
	intent[place] = 0;
#endif
	atomic {
		DRAINED(me);
		if :: word[t] == 0 -> word[t] = 1 :: else -> assert(false) fi
	};
	buffer[me]!0
}

active proctype Old()
{
	byte t;
	bool won;

	{
		send(OLD, 0);
		done++;
end:		false                    /* stays attached */
	} unless { kill -> dead = true }
}

active proctype Kernel()
{
	kill = true;
	atomic {
#ifdef FREE_BEFORE_DRAINED
		dead
#else
		dead && empty(buffer[OLD])
#endif
		-> free = true
	}
}

active proctype Newcomer()
{
	byte t;
	bool won;

	atomic { free -> taken = true };
	intent[0] = 0;                   /* it settles: an atomic store */
	send(NEW, 0);
	done++
}

active proctype Rival()
{
	byte t;
	bool won;

	send(RIVAL, 1);
	done++
}

active proctype Receiver()
{
	bool covered;

	do
	:: head < tail && word[head] != 0 -> head++
	:: head < tail && word[head] == 0 ->
		covered = (intent[0] == head + 1);
		if
		:: covered && free && !taken -> covered = false
		:: else
		fi;
		if
		:: intent[1] == head + 1 -> covered = true
		:: else
		fi;
		if
		:: !covered ->
			d_step {
				if
				:: word[head] == 0 -> assert(owner[head] == OLD && dead); word[head] = 2
				:: else
				fi
			}
		:: else ->
			/* a slice later */
			(word[head] != 0 || intent[1] != head + 1 &&
				(intent[0] != head + 1 || free && !taken))
		fi
	:: head == tail && done >= 2 && taken -> break
	od
}

init
{
	atomic { run Buffer(OLD, 0); run Buffer(RIVAL, 1); run Buffer(NEW, 0) }
}
