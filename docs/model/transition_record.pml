/* The one change of state without the control lock, and why it writes no record.
 *
 * A receiver that has drained a sealed channel moves DRAINING to CLOSING by a bare CAS; a
 * controller with the lock moves DRAINING to ERROR at the same time. Both would write the
 * record of the same epoch. Rule: the receiver writes none; a record counts only if epoch and
 * state match the word, and CLOSING without one reads "drained, by the receiver". Shown: the
 * record that is shown always belongs to the state that is.
 *
 * run: clean
 * run: assert -DRECEIVER_RECORDS
 *
 * RECEIVER_RECORDS: the loser of the CAS overwrites the winner's record.
 */
mtype = { NONE, DRAINING, CLOSING, ERROR };

mtype state = DRAINING, record = NONE;      /* record: that of epoch 1 */
byte epoch;

active proctype Receiver()
{
	byte e = epoch;

	if
	:: state == DRAINING ->
#ifdef RECEIVER_RECORDS
		record = CLOSING;
#endif
		atomic { if :: state == DRAINING && epoch == e -> state = CLOSING; epoch++ :: else fi }
	:: else
	fi
}

active proctype Controller()
{
	byte e = epoch;

	if
	:: state == DRAINING ->
		record = ERROR;
		atomic { if :: state == DRAINING && epoch == e -> state = ERROR; epoch++ :: else fi }
	:: else
	fi
}

active proctype Judge()
{
	timeout;
#ifdef RECEIVER_RECORDS
	assert(record == state)
#else
	assert(record == state || state == CLOSING)
#endif
}
