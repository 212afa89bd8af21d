// Runner starts a real Kubernetes control plane with simulated nodes, runs
// commands against it and takes it away again. People and tests reach it
// through the script sandbox/sandbox, which builds it.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

const overview = `A real Kubernetes control plane on this machine, with simulated nodes and pods.

Usage:
  sandbox run [--nodes N] -- COMMAND...             start one, run COMMAND in it, stop it
  sandbox up [--nodes N] [--dir DIR]                start one that stays
  sandbox exec [--dir DIR] -- COMMAND...            run COMMAND in the one that is up
  sandbox shell [--dir DIR]                         the same with your shell
  sandbox env [--dir DIR]                           print its environment for eval
  sandbox apiserver stop|start|pause|resume         make an outage in it
  sandbox down [--dir DIR]                          stop it and remove what it left
  sandbox build                                     only build what it consists of

"sandbox COMMAND --help" says more. COMMAND finds kubectl, helm3, helm4, helm
(HELM=3 or 4 chooses) and the built kubectl-milvus on its PATH.
`

// A failure that ends the program with a code of its own.
type exit struct {
	code    int
	message string
}

func (e exit) Error() string { return e.message }

func usage(format string, values ...any) error {
	return exit{2, fmt.Sprintf(format, values...)}
}

var commands = map[string]func(*site, []string) error{
	"build":     buildCommand,
	"run":       runCommand,
	"up":        upCommand,
	"down":      downCommand,
	"exec":      execCommand,
	"shell":     shellCommand,
	"env":       envCommand,
	"apiserver": apiserverCommand,
	"supervise": superviseCommand, // not for people: the process behind run and up
}

func main() {
	// Linux ends a child with its parent thread, not with its parent process:
	// the thread that starts them must be the one that lasts.
	runtime.LockOSThread()

	if len(os.Args) < 2 {
		fail(usage("call me through the script sandbox/sandbox"))
	}
	here := newSite(os.Args[1])
	arguments := os.Args[2:]
	if len(arguments) == 0 || slices.Contains([]string{"help", "-h", "--help"}, arguments[0]) {
		fmt.Print(overview)
		return
	}
	command, known := commands[arguments[0]]
	if !known {
		fail(usage("unknown command %q\n\n%s", arguments[0], strings.TrimSpace(overview)))
	}
	fail(command(here, arguments[1:]))
}

func fail(err error) {
	if err == nil {
		return
	}
	code := 1
	var coded exit
	if errors.As(err, &coded) {
		code = coded.code
	}
	if message := err.Error(); message != "" {
		fmt.Fprintln(os.Stderr, "sandbox:", message)
	}
	os.Exit(code)
}

// site is where things are: the sources in the checkout and what was built.
type site struct {
	source string // the folder sandbox/ of the checkout
	cache  string
}

func newSite(source string) *site {
	return &site{source: source, cache: os.Getenv("KUBECTL_MILVUS_SANDBOX_CACHE")}
}

func (s *site) checkout() string   { return filepath.Dir(s.source) }
func (s *site) defaultDir() string { return filepath.Join(s.checkout(), "target", "sandbox") }
