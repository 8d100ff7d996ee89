package history

// A Kind says what an operation is.
type Kind uint8

// Kinds of operations.
const (
	// Send sends N messages from Key on. Done of them were accepted.
	Send Kind = iota + 1
	// Abort reserves room for message Key and gives it back.
	Abort
	// Recv hands out message Key; it is released later.
	Recv
	// Take hands out message Key and releases it at once (RecvAppend).
	Take
	// Seal ends sending.
	Seal
	// End tells a receiver that there is no more. Refused: that it was forced.
	End
	// Leave closes a receiver that holds nothing.
	Leave
	// Join says that a role was taken.
	Join
)

// An Outcome says how an operation ended.
type Outcome uint8

// Outcomes. What is Pending in the log of the dead may have happened.
const (
	Pending Outcome = iota
	// OK is success.
	OK
	// Refused: sealed. Nothing of it happened but what Done counts.
	Refused
	// Failed for another reason, with the same meaning.
	Failed
)

// Flag bits of an operation.
const (
	// Again: the message was marked as possibly delivered before.
	Again uint8 = 1 << iota
	// Torn: its bytes were not what Fill made.
	Torn
	// Short: the messages are too short for an identity.
	Short
)

// An Op is one operation of one process.
type Op struct {
	Kind        Kind
	Outcome     Outcome
	Lane        uint8 // which channel
	Flags       uint8
	Key         Key
	N, Done     int   // messages, and how many of them were accepted
	Begin, Stop int64 // by a Clock: not after it began, not before it ended
}

// Has reports whether the operation has the flag.
func (op Op) Has(flag uint8) bool { return op.Flags&flag != 0 }
