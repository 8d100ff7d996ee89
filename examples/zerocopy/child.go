package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// start runs this program once more, in another role, and says how it ended. If that was
// badly, nobody has to wait any longer.
func start(
	ctx context.Context, cancel context.CancelCauseFunc, role string,
) (<-chan error, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], role)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	end := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if err != nil {
			err = fmt.Errorf("%s: %w", role, err)
			cancel(err)
		}
		end <- err
	}()
	return end, nil
}
