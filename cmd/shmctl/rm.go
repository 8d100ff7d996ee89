package main

import (
	"github.com/spf13/cobra"

	"shmring/channel"
)

func newRmCmd(a *app) *cobra.Command {
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:   "rm NAME...",
		Short: "Remove channels that nobody is attached to",
		Long: `Rm removes channels that nobody is attached to. It refuses one with unread messages
(6), and a file that it cannot read as a channel (7), unless --force is given. It never removes a
channel that somebody is attached to: close ends it for them.`,
		Example: `  shmctl rm q
  shmctl rm --force q r
  shmctl rm q r --json | jq -r '.[] | select(.removed | not) | .error'`,
		Args:              named(0, -1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			o := channel.RemoveOptions{Dir: a.segmentDir(), Unread: force}
			var failed severalErrors
			list := make([]removedJSON, 0, len(args))
			for _, name := range args {
				one := removedJSON{Name: name, Removed: true}
				if err := channel.Remove(cmd.Context(), name, o); err != nil {
					failed = append(failed, err)
					one.Removed, one.Error = false, oneLine(err)
				}
				list = append(list, one)
			}
			var err error
			if asJSON {
				err = a.printJSON(list)
			}
			if len(failed) > 0 {
				return failed
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false,
		"also with unread messages, and what is damaged or of another layout")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, also on failure")
	return cmd
}

// removedJSON is an element of rm --json.
type removedJSON struct {
	Name    string `json:"name"`
	Removed bool   `json:"removed"`
	Error   string `json:"error" doc:"why not; empty if removed"`
}
