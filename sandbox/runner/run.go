package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

const runHelp = `Usage: sandbox run [--nodes N] -- COMMAND...

Start a control plane, run COMMAND in it, stop it, and end with COMMAND's exit
code (128+n when signal n ended it). Nothing stays, also when this is killed.

COMMAND finds kubectl, helm3, helm4, helm (HELM=3 or 4 chooses), the built
kubectl-milvus and this very script as "sandbox" on its PATH, and
  KUBECONFIG          context "sandbox", full rights, namespace default
  HELM_*_HOME         own folders, with the chart repository "milvus" added
  SANDBOX_DIR         all of this sandbox: logs/, kubeconfig, etcd/ ...
  SANDBOX_BIN         kubectl, helm3, helm4, helm
  SANDBOX_CHARTS      the sample charts: milvus-VERSION.tgz and milvus-VERSION/
  SANDBOX_REPOSITORY  the same as a chart repository, its URL

`

func runCommand(here *site, arguments []string) error {
	var o options
	command, done, err := parse("run", runHelp, arguments, o.clusterFlags)
	if err != nil || done {
		return err
	}
	if len(command) == 0 {
		return usage("run: which command? sandbox run -- COMMAND...")
	}
	if err := o.check("run"); err != nil {
		return err
	}
	if _, err := here.build(); err != nil {
		return err
	}
	// From here on signals end the command, not what cleans up after it.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)

	if o.dir, err = temporaryDir(); err != nil {
		return err
	}
	b, err := here.start(o)
	if err != nil {
		removeFolder(o.dir)
		return err
	}
	defer b.stop()
	if err := b.awaitReadyOr(signals); err != nil {
		return err
	}
	go b.showWarnings()
	return here.inside(b, command, signals)
}

// awaitReadyOr gives up at the first signal.
func (b *sandbox) awaitReadyOr(signals <-chan os.Signal) error {
	ready := make(chan error, 1)
	go func() { ready <- b.awaitReady() }()
	select {
	case err := <-ready:
		return err
	case received := <-signals:
		return exit{128 + int(received.(syscall.Signal)), "interrupted while starting"}
	}
}

// inside runs command in the sandbox and answers its exit code.
func (s *site) inside(b *sandbox, command []string, signals <-chan os.Signal) error {
	running, err := readState(b.dir)
	if err != nil {
		return err
	}
	child, err := s.command(b.dir, running, command)
	if err != nil {
		return err
	}
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = endsWithParent(syscall.SIGTERM)
	// At a terminal, Ctrl-C reaches everyone in the group by itself, and must
	// not arrive twice. Elsewhere a group of its own makes sure that nobody
	// whom the command started is forgotten.
	shared := foregroundGroup()
	child.SysProcAttr.Setpgid = !shared
	if err := child.Start(); err != nil {
		return startFailure(command[0], err)
	}
	target := child.Process.Pid
	if !shared {
		target = -target
		fmt.Fprintf(b.lifeline, "%s %d\n", wordCommand, child.Process.Pid)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case err := <-ended:
			return exitOf(err)
		case received := <-signals:
			typed := received == syscall.SIGINT || received == syscall.SIGQUIT
			if !shared || !typed {
				_ = syscall.Kill(target, received.(syscall.Signal))
			}
		}
	}
}

// command is the call of words inside the sandbox of dir.
func (s *site) command(dir string, running state, words []string) (*exec.Cmd, error) {
	environment := s.environment(dir, running)
	path, err := lookPath(words[0], environment)
	if err != nil {
		return nil, startFailure(words[0], err)
	}
	child := exec.Command(path, words[1:]...)
	child.Args[0] = words[0]
	child.Env = environment
	return child, nil
}

// lookPath finds a program on the PATH of the sandbox, not on the caller's.
func lookPath(name string, environment []string) (string, error) {
	for i := len(environment) - 1; i >= 0; i-- {
		if path, found := strings.CutPrefix(environment[i], "PATH="); found {
			previous := os.Getenv("PATH")
			defer os.Setenv("PATH", previous)
			os.Setenv("PATH", path)
			break
		}
	}
	return exec.LookPath(name)
}

func startFailure(name string, err error) error {
	code := 126
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		code = 127
	}
	return exit{code, fmt.Sprintf("%s: %v", name, err)}
}

// exitOf says nothing: the command has said what there was to say.
func exitOf(err error) error {
	var failed *exec.ExitError
	if !errors.As(err, &failed) {
		return err
	}
	status := failed.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return exit{code: 128 + int(status.Signal())}
	}
	return exit{code: status.ExitStatus()}
}
