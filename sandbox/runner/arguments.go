package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// options are the flags of all commands; each takes those that it names.
type options struct {
	nodes int
	dir   string
}

// parse reads flags and returns what is left. A help text was printed, and
// nothing else is to be done, when done is true.
func parse(name, help string, arguments []string, accept func(*flag.FlagSet)) (rest []string, done bool, err error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	accept(flags)
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Print(help)
			flags.SetOutput(os.Stdout)
			flags.VisitAll(func(f *flag.Flag) {
				value, text := flag.UnquoteUsage(f)
				fmt.Printf("  %-14s %s\n", "--"+f.Name+" "+value, text)
			})
			return nil, true, nil
		}
		return nil, false, usage("%s: %v; see sandbox %s --help", name, err, name)
	}
	return flags.Args(), false, nil
}

func (o *options) clusterFlags(flags *flag.FlagSet) {
	flags.IntVar(&o.nodes, "nodes", 3, "how many `N`odes it has, 64 CPUs and 256Gi each")
}

func (o *options) dirFlag(flags *flag.FlagSet, preset string) {
	flags.StringVar(&o.dir, "dir", preset, "the `DIR` that holds it; several can be up in different ones")
}

// absolute makes --dir independent of where a later command is called from.
func (o *options) absolute() error {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	o.dir = dir
	return nil
}

func (o *options) check(name string) error {
	if o.nodes < 0 || o.nodes > 250 {
		return usage("%s: --nodes must be between 0 and 250", name)
	}
	return nil
}
