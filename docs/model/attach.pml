/* A name changes hands: opening, the last detach, and a file anew under the same name.
 *
 * Two programs open, or create if there is nothing, use the channel and detach; the last one out
 * unlinks. Rule: whoever opened a file takes its shared byte and then looks whether the name
 * still refers to it; the last one out has the byte exclusively, under the control lock, before
 * he unlinks. A created file is locked by its creator before it gets the name. Shown: nobody
 * uses a file without a name, and nothing is left at the end.
 *
 * run: clean
 * run: assert -DNO_SECOND_LOOK
 * run: assert -DUNLINK_SHARED
 * run: assert -DLINK_FIRST
 *
 * NO_SECOND_LOOK: the file that was opened was unlinked before the lock was taken.
 * UNLINK_SHARED: the file goes although somebody holds the shared byte.
 * LINK_FIRST: the creator locks after he linked; somebody opens, is the last one, and unlinks in
 *   between.
 */
#define NONE 0
#define FILES 12
#define PROGRAMS 2

byte name = NONE;                /* the file that the name refers to */
byte files;                      /* how many were made */
byte sharers[FILES + 1];
bool exclusive[FILES + 1], control[FILES + 1];
byte done;

proctype Program(byte rounds)
{
	byte f;
	bool last;

again:
	f = name;
	if
	:: f == NONE ->
		atomic { files++; f = files };
#ifndef LINK_FIRST
		sharers[f]++;
#endif
		/* linkat fails if the name is taken */
		atomic {
			if
			:: name == NONE -> name = f
			:: else ->
#ifndef LINK_FIRST
				sharers[f]--;
#endif
				goto again
			fi
		};
#ifdef LINK_FIRST
		atomic { !exclusive[f] -> sharers[f]++ };
#endif
	:: else ->
		atomic { !exclusive[f] -> sharers[f]++ };
#ifndef NO_SECOND_LOOK
		if :: name != f -> sharers[f]--; goto again :: else fi;
#endif
	fi;
	/* in use */
	assert(name == f);
	/* detach */
	atomic { !control[f] -> control[f] = true };
	atomic {
#ifdef UNLINK_SHARED
		last = true
#else
		last = (sharers[f] == 1);
		if :: last -> exclusive[f] = true :: else fi
#endif
	};
	if
	:: last ->
		if :: name == f -> name = NONE :: else fi;
		control[f] = false;
		atomic { sharers[f]--; exclusive[f] = false }
	:: else ->
		sharers[f]--;
		control[f] = false
	fi;
	rounds--;
	if :: rounds > 0 -> goto again :: else fi;
	done++
}

init
{
	byte i;

	atomic {
		do :: i < PROGRAMS -> run Program(2); i++ :: else -> break od
	};
	done == PROGRAMS;
	assert(name == NONE)
}
