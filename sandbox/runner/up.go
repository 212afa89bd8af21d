package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const upHelp = `Usage: sandbox up [--nodes N] [--dir DIR]

Start a control plane that stays until "sandbox down", in target/sandbox of the
checkout or in DIR. What a crash left in there is removed first.

`

func upCommand(here *site, arguments []string) error {
	var o options
	rest, done, err := parse("up", upHelp, arguments, func(flags *flag.FlagSet) {
		o.clusterFlags(flags)
		o.dirFlag(flags, here.defaultDir())
	})
	if err != nil || done {
		return err
	}
	if len(rest) != 0 {
		return usage("up takes no command; sandbox run -- COMMAND does")
	}
	if err := o.check("up"); err != nil {
		return err
	}
	if err := o.absolute(); err != nil {
		return err
	}
	if _, err := here.build(); err != nil {
		return err
	}
	// Two that start in the same folder at once would each take it from the other.
	sum := sha256.Sum256([]byte(o.dir))
	turn, err := lockFile(filepath.Join(here.cache, fmt.Sprintf("up-%x.lock", sum[:6])), func() {})
	if err != nil {
		return err
	}
	defer turn.Close()

	started := time.Now()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if err := vacate(o.dir); err != nil {
		return err
	}
	b, err := here.start(o)
	if err != nil {
		return err
	}
	if err := b.awaitReadyOr(signals); err != nil {
		b.stop()
		return err
	}
	fmt.Fprintln(b.lifeline, wordDetach)
	running, err := readState(b.dir)
	if err != nil {
		return err
	}
	flags := ""
	if o.dir != here.defaultDir() {
		flags = " --dir " + shellQuote(o.dir)
	}
	fmt.Printf(`Up after %.1f s: %s, %d nodes, in %s
  sandbox/sandbox exec%[5]s -- kubectl get nodes
  sandbox/sandbox shell%[5]s
  sandbox/sandbox down%[5]s
`, time.Since(started).Seconds(), running.Server, o.nodes, o.dir, flags)
	return nil
}

// vacate makes dir an empty folder, unless something lives or lies in it.
func vacate(dir string) error {
	if locked(dir) {
		return fmt.Errorf("one is up in %s already; exec and shell run in it, down stops it", dir)
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		if _, err := readState(dir); err != nil {
			return fmt.Errorf("%s holds something else", dir)
		}
		removeFolder(dir)
	}
	return os.MkdirAll(dir, 0o755)
}

const downHelp = `Usage: sandbox down [--dir DIR]

Stop what "sandbox up" started and remove it. After a crash it removes what was
left. Where nothing is up there is nothing to do.

`

func downCommand(here *site, arguments []string) error {
	o, _, done, err := parseDir(here, "down", downHelp, arguments, here.defaultDir())
	if err != nil || done {
		return err
	}
	left, err := readState(o.dir)
	if os.IsNotExist(err) {
		fmt.Fprintf(os.Stderr, "nothing is up in %s\n", o.dir)
		return nil
	}
	if err != nil {
		return err
	}
	if locked(o.dir) {
		_ = syscall.Kill(left.Pid, syscall.SIGTERM)
		if !awaitUnlocked(o.dir, 15*time.Second) {
			_ = syscall.Kill(left.Pid, syscall.SIGKILL)
			awaitUnlocked(o.dir, 5*time.Second)
		}
	}
	removeFolder(o.dir)
	return nil
}

const execHelp = `Usage: sandbox exec [--dir DIR] -- COMMAND...
       sandbox shell [--dir DIR]

Run COMMAND, or your shell, in the sandbox that is up. What it finds there says
"sandbox run --help".

`

func execCommand(here *site, arguments []string) error {
	o, words, done, err := parseDir(here, "exec", execHelp, arguments, here.defaultDir())
	if err != nil || done {
		return err
	}
	if len(words) == 0 {
		return usage("exec: which command? sandbox exec -- COMMAND...")
	}
	return here.become(o.dir, words)
}

func shellCommand(here *site, arguments []string) error {
	o, words, done, err := parseDir(here, "shell", execHelp, arguments, here.defaultDir())
	if err != nil || done {
		return err
	}
	if len(words) != 0 {
		return usage("shell takes no command; exec does")
	}
	shell := os.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	return here.become(o.dir, []string{shell})
}

// become replaces this process, so that signals and the terminal are the command's.
func (s *site) become(dir string, words []string) error {
	running, err := readRunning(dir)
	if err != nil {
		return err
	}
	child, err := s.command(dir, running, words)
	if err != nil {
		return err
	}
	if child.Err != nil {
		return startFailure(words[0], child.Err)
	}
	return startFailure(words[0], syscall.Exec(child.Path, child.Args, child.Env))
}

const envHelp = `Usage: eval "$(sandbox env [--dir DIR])"

Print the environment of the sandbox that is up, for a shell.
`

func envCommand(here *site, arguments []string) error {
	o, _, done, err := parseDir(here, "env", envHelp, arguments, here.defaultDir())
	if err != nil || done {
		return err
	}
	running, err := readRunning(o.dir)
	if err != nil {
		return err
	}
	for _, variable := range here.ownEnvironment(o.dir, running) {
		name, value, _ := strings.Cut(variable, "=")
		fmt.Printf("export %s=%s\n", name, shellQuote(value))
	}
	return nil
}

const apiserverHelp = `Usage: sandbox apiserver [--dir DIR] stop|start|pause|resume

Make an outage in the sandbox this is called in, or in the one that is up.
  stop     connections are refused until start, which uses the same port and data
  pause    connections are accepted and not answered until resume

`

func apiserverCommand(here *site, arguments []string) error {
	preset := here.defaultDir()
	if inside := os.Getenv("SANDBOX_DIR"); inside != "" {
		preset = inside
	}
	o, words, done, err := parseDir(here, "apiserver", apiserverHelp, arguments, preset)
	if err != nil || done {
		return err
	}
	if len(words) != 1 {
		return usage("apiserver: stop, start, pause or resume?")
	}
	running, err := readRunning(o.dir)
	if err != nil {
		return err
	}
	switch words[0] {
	case "stop":
		return signalUntil(o.dir, running.Pid, syscall.SIGUSR1, "stopped")
	case "start":
		return signalUntil(o.dir, running.Pid, syscall.SIGUSR2, "running")
	case "pause":
		return syscall.Kill(running.APIPid, syscall.SIGSTOP)
	case "resume":
		return syscall.Kill(running.APIPid, syscall.SIGCONT)
	}
	return usage("apiserver: stop, start, pause or resume, not %q", words[0])
}

func signalUntil(dir string, pid int, request syscall.Signal, wanted string) error {
	if err := syscall.Kill(pid, request); err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if now, err := readState(dir); err == nil && now.APIServer == wanted {
			return nil
		}
	}
	return fmt.Errorf("the API server is not %s after a minute\n%s", wanted, tail(filepath.Join(dir, "logs", "kube-apiserver.log")))
}

func parseDir(here *site, name, help string, arguments []string, preset string) (o options, rest []string, done bool, err error) {
	rest, done, err = parse(name, help, arguments, func(flags *flag.FlagSet) { o.dirFlag(flags, preset) })
	if err == nil {
		err = o.absolute()
	}
	return o, rest, done, err
}

// readRunning is the state of a sandbox that lives.
func readRunning(dir string) (state, error) {
	running, err := readState(dir)
	if err != nil || !locked(dir) || !running.Ready {
		return running, fmt.Errorf("nothing is up in %s; sandbox up starts one", dir)
	}
	return running, nil
}
