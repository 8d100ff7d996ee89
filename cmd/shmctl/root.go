package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"shmring/shm"
)

func newRootCmd(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "shmctl",
		Short: "Channels in shared memory between the processes of one machine",
		Long: `Shmctl makes, fills, empties, ends, repairs, shows, watches and removes shmring
channels: named, bounded, crash-proof queues in shared memory between processes of one machine.
It signals and awaits events as well.`,
		Example: `  seq 1 1000000 | shmctl send q --lines --seal
  shmctl recv q --lines > out`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("no verb %q; shmctl help lists them", args[0])
			}
			return nil
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.ValidateFlagGroups(); err != nil {
				return groupError(cmd, err)
			}
			if aboutProgram(cmd) {
				return nil
			}
			return a.checkDir()
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&a.dir, "dir", "",
		fmt.Sprintf("directory of segments (default $%s, else %s)", shm.EnvDir, shm.DefaultDir))
	_ = root.MarkPersistentFlagDirname("dir") // only fails for an unknown flag
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newCreateCmd(a), newSendCmd(a), newRecvCmd(a), newCloseCmd(a), newLsCmd(a), newStatCmd(a),
		newRmCmd(a), newDrainCmd(a), newRecoverCmd(a), newWatchCmd(a), newEventCmd(a),
		newGCCmd(a), newHealthCmd(a), newDepsCmd(a), newShutdownCmd(a), newDoctorCmd(a),
		newPsCmd(a), newPeekCmd(a), newDumpCmd(a),
		newRecordCmd(a), newReplayCmd(a), newLatencyCmd(a), newTopCmd(a),
		newVersionCmd(a), newExitCodesTopic(),
	)
	root.AddCommand(
		newDemoCmd(a), newDemoSenderCmd(a), newBenchCmd(a), newBenchPeerCmd(a), newEchoCmd(a),
		newManCmd(a),
	)
	a.completeFlags(root)
	completionCmd(root)
	return root
}

// aboutProgram reports whether a command looks at no segments.
func aboutProgram(cmd *cobra.Command) bool {
	for ; cmd.HasParent(); cmd = cmd.Parent() {
		switch cmd.Name() {
		case "help", "version", "completion", "man":
			return true
		}
	}
	return false
}

// checkDir refuses a directory of segments that is not there: a channel that is not
// there is something else.
func (a *app) checkDir() error {
	dir := a.segmentDir()
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return usagef("directory of segments: %v", err)
	case !info.IsDir():
		return usagef("directory of segments: %s is not a directory", dir)
	}
	return nil
}
