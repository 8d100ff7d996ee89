/* Two attachments detach at the same time, and one of them must unlink the file.
 *
 * Each holds a shared lock on the "attached" byte. Under the control lock it tries to make it
 * exclusive: that works only for the last one, who unlinks. Rule: who is not the last drops his
 * shared lock before he frees the control lock. Shown: the name is gone when both are. Each may
 * also be killed anywhere; then the name may stay, for the next opener or gc.
 *
 * run: clean
 * run: assert -DDROP_LATER
 * run: clean -DKILLS
 *
 * DROP_LATER: the shared lock outlives the control lock; both see each other, neither unlinks.
 * KILLS: only the promise that is left then: nobody unlinks while another is attached.
 */
bool shared[2] = true;
bool control, linked = true, killed[2];
byte done;

proctype Detacher(byte me)
{
	bool last;

	{
		atomic { !control -> control = true };
		last = !shared[1 - me];
		if
		:: last -> assert(!shared[1 - me]); linked = false
		:: else
		fi;
#ifndef DROP_LATER
		shared[me] = false;
		control = false
#else
		control = false;
		shared[me] = false
#endif
	} unless { killed[me] -> atomic { shared[me] = false; control = false } };
	done++
}

#ifdef KILLS
active proctype Killer()
{
	if :: killed[0] = true :: killed[1] = true :: skip fi
}
#endif

init
{
	atomic { run Detacher(0); run Detacher(1) };
	done == 2;
#ifndef KILLS
	assert(!linked)
#endif
}
