/* What may be concluded from tail and head, which are two loads.
 *
 * A sender that loads tail, sleeps, and loads head later sees a head beyond the tail it knows:
 * in a healthy ring the difference looks impossible. Rule: "full" and "impossible" are
 * concluded only if tail, read once more after head, has not moved.
 *
 * run: clean
 * run: assert -DONE_READ
 *
 * ONE_READ: concluded from the first pair; a healthy ring is called damaged.
 */
#define WRAP 16
#define SLOTS 2
#define EACH 3

byte tail, head;

active [2] proctype Sender()
{
	byte t, h, n, room;

	do
	:: n == EACH -> break
	:: n < EACH ->
		t = tail;
		h = head;
		room = (t - h + WRAP) % WRAP;
#ifndef ONE_READ
		if :: tail != t -> goto again :: else fi;
#endif
		assert(room <= SLOTS);
		if
		:: room < SLOTS -> atomic { if :: tail == t -> tail = t + 1; n++ :: else fi }
		:: else
		fi;
again:		skip
	od
}

active proctype Receiver()
{
end:	do :: tail > head -> head++ od
}
