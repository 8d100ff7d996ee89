package main

import (
	"github.com/spf13/cobra"

	"shmring/channel"
)

func newRmCmd(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rm NAME...",
		Short: "Remove channels that nobody is attached to",
		Long: `Rm removes channels that nobody is attached to. It refuses one with unread messages
(6), and a file that it cannot read as a channel (7), unless --force is given. It never removes a
channel that somebody is attached to: close ends it for them.`,
		Example: `  shmctl rm q
  shmctl rm --force q r`,
		Args:              named(0, -1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			o := channel.RemoveOptions{Dir: a.segmentDir(), Unread: force}
			var failed severalErrors
			for _, name := range args {
				if err := channel.Remove(cmd.Context(), name, o); err != nil {
					failed = append(failed, err)
				}
			}
			if len(failed) > 0 {
				return failed
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false,
		"also with unread messages, and what is damaged or of another layout")
	return cmd
}
