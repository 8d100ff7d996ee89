package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// wantOf says what to write, by the type of a flag. Flags of this program say it themselves.
var wantOf = map[string]string{
	"duration":     "no duration: write it with its unit, as 500ms, 30s or 2m",
	"int":          "no whole number",
	"intSlice":     "no list of whole numbers: write 1 or 1,32",
	"uint64":       "no whole number from 0 on",
	"float64":      "no number",
	"float64Slice": "no list of numbers: write 1000 or 1e3,1e4",
	"bool":         "neither true nor false",
}

// flagError is an error of the flags in words that name the remedy.
func flagError(cmd *cobra.Command, err error) error {
	verb := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()), " ")
	help := strings.TrimSpace("shmctl help " + verb)
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		f := bad.GetFlag()
		if want := wantOf[f.Value.Type()]; want != "" {
			return usagef("--%s: %q is %s", f.Name, bad.GetValue(), want)
		}
		return usagef("--%s: %w", f.Name, bad.Unwrap())
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		f := missing.GetFlag()
		return usagef("--%s wants a value: %s", f.Name, f.Usage)
	}
	return usagef("%w; %s lists the flags", err, help)
}

// groupError is an error about flags that exclude each other.
func groupError(cmd *cobra.Command, err error) error {
	var given []string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if len(f.Annotations) > 0 {
			given = append(given, "--"+f.Name)
		}
	})
	if len(given) < 2 {
		return usagef("%w", err)
	}
	return usagef("%s exclude each other: leave out all but one", strings.Join(given, ", "))
}

// noArguments refuses arguments of a verb that takes none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments; shmctl help %[1]s shows what it takes", cmd.Name())
	}
	return nil
}
