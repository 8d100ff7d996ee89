package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/manager"
)

// Exit codes. They are documented by the topic exit-codes and in docs/SHMCTL.md.
const (
	exitOK         = 0
	exitFailure    = 1
	exitUsage      = 2
	exitNotExist   = 3
	exitPermission = 4
	exitTimeout    = 5
	exitState      = 6
	exitCorrupt    = 7
	exitNoSpace    = 8
	exitPeerDead   = 9
	exitSignal     = 128 // + the number of the signal
)

// Exit codes of health, which are those of monitoring plugins.
const (
	checkOK       = 0
	checkWarning  = 1
	checkCritical = 2
	checkUnknown  = 3
)

const exitCodesText = `Exit codes of all verbs but health:

  0    done
  1    failed for a reason that has no code of its own
  2    usage: unknown verb or flag, bad value, bad name, no such directory
  3    no such channel
  4    permission denied
  5    time ran out
  6    wrong state or busy: the channel is sealed, closed or in use, a role is
       taken, the name is taken, messages are unread, a dependency closes a cycle
  7    corrupt, or of another layout or geometry; a recording that is torn
  8    no space in shared memory
  9    the peer died
  10   doctor found something to look after
  11   doctor found something that does not work
  130  stopped by SIGINT, after a clean detach
  143  stopped by SIGTERM, after a clean detach

Exit codes of health (check), as monitoring plugins have them:

  0    OK: all channels are healthy
  1    WARNING: one is degraded
  2    CRITICAL: one is unhealthy or damaged
  3    UNKNOWN: one does not exist or cannot be looked at, or a wrong command line
  130  and 143 as above
`

// newExitCodesTopic is a page of help, not a command.
func newExitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long:  exitCodesText,
	}
}

// errUsage is wrapped by every error about the command line itself.
var errUsage = errors.New("usage")

// A usageError says what is wrong with the command line.
type usageError struct{ err error }

func (e usageError) Error() string        { return e.err.Error() }
func (e usageError) Unwrap() error        { return e.err }
func (e usageError) Is(target error) bool { return target == errUsage }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// exitCode maps an error to what the process returns. The first line that fits wins:
// an error may be several, as when a deadline passed because somebody was busy.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if sig, ok := errors.AsType[*signalError](err); ok {
		return exitSignal + int(sig.sig)
	}
	if badOptions(err) {
		return exitUsage
	}
	if _, ok := errors.AsType[*manager.CycleError](err); ok {
		return exitState
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return exitFailure
}

var codes = []struct {
	err  error
	code int
}{
	{errUsage, exitUsage},
	{fs.ErrInvalid, exitUsage},
	{context.DeadlineExceeded, exitTimeout},
	{channel.ErrNoSpace, exitNoSpace},
	{channel.ErrLayout, exitCorrupt},
	{channel.ErrCorrupt, exitCorrupt},
	{channel.ErrFault, exitCorrupt},
	{errNoRecord, exitCorrupt},
	{channel.ErrPeerDead, exitPeerDead},
	{fs.ErrNotExist, exitNotExist},
	{fs.ErrPermission, exitPermission},
	{channel.ErrNoHolder, exitState},
	{channel.ErrBusy, exitState},
	{channel.ErrState, exitState},
	{channel.ErrClosed, exitState},
	{channel.ErrFull, exitState},
	{channel.ErrEmpty, exitState},
	{channel.ErrOrphaned, exitState},
	{channel.ErrStale, exitState},
	{fs.ErrExist, exitState},
}

// badOptions reports whether the caller asked for a geometry that cannot be, as
// opposed to having met one.
func badOptions(err error) bool {
	return errors.Is(err, layout.ErrInvalid) && !met(err)
}

// met reports whether an error is about a segment that is there.
func met(err error) bool {
	_, ok := errors.AsType[*layout.HeaderError](err)
	return ok
}
