/* The ring: intent, reservation by one CAS of tail, commit, seal, holes, and sleeping receivers.
 *
 * Two senders send messages of two steps (so that a torn one shows), a closer seals at any time,
 * the receiver sleeps as in package futex and skips holes by the rule of Consumer.Skip: a slot
 * below tail may be aborted if it is uncommitted, no living participant's intent covers it, and
 * it is still uncommitted afterwards. With KILLS each sender may be killed between any two
 * accesses; the kernel then frees its lock and tells the others. Shown: what was acknowledged
 * is delivered, in order, whole and once; a living owner is never robbed; the end comes after
 * the data; nobody waits for ever.
 *
 * One shared access, with what follows from it privately, is one step. The event's sequence is
 * the question whether it moved since it was sampled. A wait for room, and the slices before a
 * hole, are guards that open when a look would find something: what a timer finds sooner or
 * later. A long sleep ends by a wake-up only.
 *
 * run: clean -DEACH=2
 * run: clean -DBATCH -DEACH=2
 * run: clean -DKILLS
 * run: clean -DKILLS -DBATCH
 * run: clean full -DEACH=3
 * run: clean full -DKILLS -DEACH=2
 * run: clean full hash -DKILLS -DBATCH -DEACH=2
 * run: assert -DINTENT_AFTER_CAS
 * run: assert -DNO_SECOND_LOOK
 * run: assert -DSEAL_APART
 * run: assert -DSTALLED_IS_DEAD
 * run: deadlock -DLOOK_BEFORE_ANNOUNCE
 * run: deadlock -DKILLS -DLOSER_KEEPS_INTENT
 * run: deadlock -DKILLS -DPARK_BEFORE_HOLE
 *
 * INTENT_AFTER_CAS: the intent is stored when the slot is already owned; a receiver that looks
 *   in between takes a living owner for dead.
 * NO_SECOND_LOOK: the slot is not looked at again after the intents. Its owner committed and
 *   cleared its intent while the others' were read, and the message is thrown away.
 * SEAL_APART: the seal is a word of its own; a sender that read it before reserves after it.
 * STALLED_IS_DEAD: an owner that is slow is taken for dead.
 * LOOK_BEFORE_ANNOUNCE: nothing is looked at between the announcement and the sleep.
 * LOSER_KEEPS_INTENT: a lost CAS leaves the intent in place while its sender waits or returns; the
 *   hole in front of the receiver waits for the loser, for ever.
 * PARK_BEFORE_HOLE: a long sleep before a hole. Its owner dies while a loser's intent covers
 *   it, and nobody tells when the loser clears that.
 */
#ifndef EACH
#define EACH 1           /* reservations of each sender; a BATCH has two slots for the second */
#endif
#define SENDERS 2
#ifdef BATCH
#define SIZE(p) ((p) + 1)
#define SLOTS 3
#else
#define SIZE(p) 1
#define SLOTS 2
#endif
#define TOTAL (3 * EACH)

#define SEAL 128
#define POS(t) ((t) & 127)
#define FULL(pos) (2 * (pos) + 2)        /* a commit word: lap and kind */
#define GONE(pos) (2 * (pos) + 3)        /* aborted */
#define RANGE(pos, n) (4 * ((pos) + 1) + (n))
#define COVERS(x, pos) ((x) != 0 && (x) / 4 - 1 <= (pos) && (pos) < (x) / 4 - 1 + (x) % 4)

byte tail, head;
byte word[SLOTS], val[SLOTS];
byte intent[SENDERS];
bool alive[SENDERS], kill[SENDERS];
bool waiting, asleep, moved;             /* the receiver's bit; in the kernel; the sequence */

byte owner[TOTAL], acked[SENDERS], got[SENDERS];      /* ghosts */
#ifdef SEAL_APART
bool sealed;
#endif

inline wakeAll() { moved = true; asleep = false }

proctype Sender(byte me)
{
	byte t, m, i;

	{
		t = 0;
again:
		atomic {
			i = 0;
			if :: m == EACH * SIZE(me) -> t = 0; goto out :: else fi;
#ifdef SEAL_APART
			if :: sealed -> goto out :: else fi
		};
		atomic {
#endif
			t = tail;
			if :: t & SEAL -> t = 0; goto out :: else fi
		};
		atomic { if :: t + SIZE(me) - head > SLOTS -> t = 0; goto noRoom :: else fi };
#ifndef INTENT_AFTER_CAS
		intent[me] = RANGE(t, SIZE(me));
#endif
		atomic {
			if
			:: tail != t -> t = 0; goto lost
			:: else ->
				tail = t + SIZE(me);
				do
				:: i < SIZE(me) -> owner[t + i] = me; i++
				:: else -> break
				od
			fi
		};
#ifdef INTENT_AFTER_CAS
		intent[me] = RANGE(t, SIZE(me));
#endif
		/* the first slot's word comes last */
		do
		:: i > 1 ->
			atomic { i--; val[(t + i) % SLOTS] = 0 };
			val[(t + i) % SLOTS] = 16 * me + m + i + 1;
			word[(t + i) % SLOTS] = FULL(t + i)
		:: i == 1 ->
			atomic { i--; val[t % SLOTS] = 0 };
			val[t % SLOTS] = 16 * me + m + 1;
			atomic {
				word[t % SLOTS] = FULL(t);
				m = m + SIZE(me);
				acked[me] = m;                   /* from now on it must arrive */
				t = 0;
				break
			}
		od;
		intent[me] = 0;
		atomic { if :: !waiting -> goto again :: else fi };
		atomic { wakeAll(); goto again };
lost:
#ifndef LOSER_KEEPS_INTENT
		atomic { intent[me] = 0; goto again };
#else
		goto again;
#endif
noRoom:
		/* asleep on the space event until a look finds something */
#ifdef SEAL_APART
		atomic { (POS(tail) + SIZE(me) - head <= SLOTS || sealed) -> goto again };
#else
		atomic { (POS(tail) + SIZE(me) - head <= SLOTS || (tail & SEAL)) -> goto again };
#endif
out:
		skip
	} unless {
		atomic { kill[me] -> alive[me] = false; t = 0; m = 0; i = 0 };   /* the kernel, after the last store */
		atomic { wakeAll() }                     /* the death notice */
	}
}

active proctype Closer()
{
#ifdef SEAL_APART
	sealed = true;
#else
	tail = tail | SEAL;
#endif
	atomic { wakeAll() }
}

#ifdef KILLS
active [SENDERS] proctype Killer()
{
	if :: kill[_pid - 1] = true :: skip fi
}
#endif

#define LIVE(p) (COVERS(intent[p], head) && alive[p])

active proctype Receiver()
{
	byte t, i, v;
	bool announced, covered;

look:
	atomic {
		if
		:: word[head % SLOTS] == FULL(head) -> v = val[head % SLOTS]; goto found
		:: word[head % SLOTS] == GONE(head) -> goto pass
		:: else
		fi
	};
#ifdef SEAL_APART
	/* the seal first, else a reservation between the two looks would be overlooked */
	atomic { t = (sealed -> SEAL : 0) };
#endif
	atomic {
		t = t | tail;
		if
		:: POS(t) == head && (t & SEAL) -> goto end
		:: POS(t) == head && !(t & SEAL) -> t = 0; goto park
		:: else -> t = 0
		fi
	};
	do
	:: atomic { i < SENDERS && COVERS(intent[i], head) -> skip };
#ifdef STALLED_IS_DEAD
		atomic { if :: covered = alive[i] :: covered = false fi; if :: covered -> i = 0; goto park :: else -> i++ fi }
#else
		atomic { if :: alive[i] -> covered = true; i = 0; goto park :: else -> i++ fi }
#endif
	:: atomic { i < SENDERS && !COVERS(intent[i], head) -> i++ }
	:: atomic { i == SENDERS -> i = 0; break }
	od;
#ifdef NO_SECOND_LOOK
	atomic {
		assert(word[head % SLOTS] != FULL(head));
#else
	atomic { if :: word[head % SLOTS] == FULL(head) -> goto look :: else fi };
	atomic {
		/* a CAS: it fails if the slot was committed meanwhile */
		if :: word[head % SLOTS] == FULL(head) -> goto look :: else fi;
#endif
		assert(!alive[owner[head]]);             /* a living owner is never robbed */
		word[head % SLOTS] = GONE(head);
		goto look
	};

found:
	atomic {
		assert(v % 16 != 0);                     /* no tear */
		/* in order, once, and what is missing was not acknowledged */
		assert(v % 16 == got[v / 16] + 1 ||
			(v % 16 > got[v / 16] && !alive[v / 16] && got[v / 16] >= acked[v / 16]));
		got[v / 16] = v % 16;
		v = 0
	};
pass:
	atomic { head++; if :: !announced -> goto look :: else fi };
	atomic { announced = false; waiting = false; goto look };

park:
	if
	:: atomic { !announced -> announced = true; waiting = true };
		atomic {
			moved = false;                   /* the sample */
#ifndef LOOK_BEFORE_ANNOUNCE
			covered = false;
			goto look
#endif
		}
	:: atomic { announced -> skip }
	fi;
	/* the kernel compares and queues in one step */
	atomic { if :: !moved -> asleep = true :: else fi };
	if
	:: atomic { !covered && !asleep -> moved = false }
#ifdef PARK_BEFORE_HOLE
	:: atomic { covered && !asleep -> moved = false }
#else
	:: atomic { covered &&
		(!asleep || word[head % SLOTS] == FULL(head) || !(LIVE(0) || LIVE(1))) ->
		asleep = false; moved = false }
#endif
	fi;
	atomic { covered = false; goto look };

end:
	assert(got[0] >= acked[0] && got[1] >= acked[1])
}

init
{
	atomic { alive[0] = true; alive[1] = true; run Sender(0); run Sender(1) }
}
