// Reads a Grafana dashboard from a file and fails at the first key or type that Grafana's own types do not have.
// It is written in Go because Grafana publishes these types with a strict reader only as a Go module.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: read-dashboard FILE")
		os.Exit(2)
	}
	if err := read(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func read(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	// Without it, the options and queries of panels are read as maps, with any key.
	plugins.RegisterDefaultPlugins()
	var board dashboard.Dashboard
	if err := anyError(board.UnmarshalJSONStrict(text)); err != nil {
		return err
	}
	return anyError(board.Validate())
}

// anyError returns nil for an empty list of errors, which the SDK returns where it has found none.
func anyError(err error) error {
	var list cog.BuildErrors
	if errors.As(err, &list) && len(list) == 0 {
		return nil
	}
	return err
}
