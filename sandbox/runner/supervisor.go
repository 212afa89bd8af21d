package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const superviseHelp = `Internal: the process behind run and up.

It owns all parts of one sandbox. Its standard input is the lifeline: when the
other end is gone without a word, everything ends.
`

// The words on the lifeline, from the caller to the supervisor.
const (
	wordCommand = "command" // followed by the process group to end with the caller
	wordDetach  = "detach"  // the caller ends, the sandbox stays
)

// The words on the report, the other way round.
const (
	wordReady   = "ready"
	wordFailed  = "failed"
	wordWarning = "warning"
)

var errStopped = errors.New("stopped")

// supervisor starts the parts of one sandbox, watches them and takes them
// away. All of it happens in the main goroutine, see main.
type supervisor struct {
	site  *site
	built binaries
	dir   string
	plane *controlPlane
	state state

	parts    map[string]*part
	ended    chan *part
	signals  chan os.Signal
	lifeline chan string // closed at the end of the other side
	report   *os.File
	attached int // process group to end with the caller
	detached bool
}

func superviseCommand(here *site, arguments []string) error {
	var o options
	var charts string
	_, done, err := parse("supervise", superviseHelp, arguments, func(flags *flag.FlagSet) {
		o.dirFlag(flags, "")
		flags.IntVar(&o.nodes, "nodes", 3, "number of nodes")
		flags.StringVar(&charts, "charts", "", "folder of the chart repository")
	})
	if err != nil || done {
		return err
	}
	// Held to the end: that is how others see that this lives. Whoever looks
	// holds it for an instant too, so one refusal means nothing.
	lock, err := lockFile(filepath.Join(o.dir, lockName), func() {})
	if err != nil {
		return err
	}
	defer lock.Close()
	built, err := here.build()
	if err != nil {
		return err
	}
	if err := os.Chdir(o.dir); err != nil { // see egressSocket
		return err
	}
	s := &supervisor{
		site: here, built: built, dir: o.dir,
		plane:    &controlPlane{dir: o.dir, stages: filepath.Join(here.source, "stages"), nodes: o.nodes},
		state:    state{Pid: os.Getpid(), Charts: charts, APIServer: "starting"},
		parts:    map[string]*part{},
		ended:    make(chan *part, 16),
		signals:  make(chan os.Signal, 16),
		lifeline: make(chan string, 16),
		report:   os.NewFile(3, "report"),
	}
	signal.Notify(s.signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			s.lifeline <- lines.Text()
		}
		close(s.lifeline)
	}()

	if err := serveEgress(s.plane); err != nil {
		return err
	}
	err = s.start()
	for attempt := 1; err != nil && attempt < 4 && strings.Contains(err.Error(), "address already in use"); attempt++ {
		s.killParts()
		os.RemoveAll(filepath.Join(s.dir, "etcd"))
		err = s.start()
	}
	if err == nil {
		s.tell(wordReady, "")
		s.serve()
	} else if !errors.Is(err, errStopped) {
		s.tell(wordFailed, err.Error())
	}
	s.clear()
	return nil
}

// start returns when a first command can only succeed.
func (s *supervisor) start() error {
	if err := s.plane.prepare(); err != nil {
		return err
	}
	s.state.Server = s.plane.server()
	if err := s.state.write(s.dir); err != nil {
		return err
	}
	if err := s.startPart("etcd", s.built.controlplane, s.plane.etcd()); err != nil {
		return err
	}
	if err := s.await("etcd to answer", 30*time.Second, s.plane.etcdAnswers); err != nil {
		return err
	}
	if err := s.startPart("kube-apiserver", s.built.controlplane, s.plane.apiServer()); err != nil {
		return err
	}
	repository := s.addRepository()
	if err := s.await("the API server to be ready", time.Minute, s.plane.serverReady); err != nil {
		return err
	}
	for name, arguments := range map[string][]string{
		"kube-controller-manager": s.plane.controllerManager(),
		"kube-scheduler":          s.plane.scheduler(),
	} {
		if err := s.startPart(name, s.built.controlplane, arguments); err != nil {
			return err
		}
	}
	if err := s.createObjects(); err != nil {
		return err
	}
	if err := s.startPart("kwok", s.built.kwok, s.plane.kwok()); err != nil {
		return err
	}
	if err := s.await("nodes and pods to be possible", time.Minute, s.plane.usable); err != nil {
		return err
	}
	if err := <-repository; err != nil {
		return err
	}
	s.state.Ready, s.state.APIServer = true, "running"
	return s.state.write(s.dir)
}

// addRepository serves the charts and makes them known to both Helms, which
// share the file in which they keep repositories.
func (s *supervisor) addRepository() <-chan error {
	result := make(chan error, 1)
	log, err := os.OpenFile(filepath.Join(s.dir, "logs", "charts.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err == nil && s.state.Repository == "" {
		s.state.Repository, err = serveCharts(s.state.Charts, log)
	}
	if err != nil {
		result <- err
		return result
	}
	go func() {
		command := exec.Command(s.built.helm4, "repo", "add", "--force-update", "milvus", s.state.Repository)
		command.Env = append(helmHome(filepath.Join(s.dir, "helm")), "PATH="+os.Getenv("PATH"), "HOME="+s.dir)
		output, err := command.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("helm repo add: %w\n%s", err, output)
		}
		result <- err
	}()
	return result
}

// createObjects makes what every cluster has from its first second on.
func (s *supervisor) createObjects() error {
	command := exec.Command(s.built.kubectl, "--kubeconfig", s.plane.kubeconfig("admin"), "create", "--validate=false",
		"-f", filepath.Join(s.plane.stages, "cluster"), "-f", filepath.Join(s.dir, "nodes.yaml"))
	command.Env = []string{"HOME=" + s.dir, "KUBERC=off"}
	command.SysProcAttr = endsWithParent(syscall.SIGKILL)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("creating the objects of the cluster: %w\n%s", err, output)
	}
	if answer, ok := s.plane.ask("PATCH", "/api/v1/namespaces/"+probeNamespace, probeAnnotation); !ok {
		return fmt.Errorf("annotating namespace %s: %s", probeNamespace, answer)
	}
	return nil
}

// await asks until the answer is yes, and meanwhile notices everything that
// makes waiting pointless.
func (s *supervisor) await(what string, patience time.Duration, yes func() bool) error {
	end := time.After(patience)
	for !yes() {
		select {
		case <-time.After(25 * time.Millisecond):
		case p := <-s.ended:
			s.noteEnd(p)
			return fmt.Errorf("%s ended while starting (%v)\n%s", p.name, p.err, tail(p.log))
		case received := <-s.signals:
			if received != syscall.SIGUSR1 && received != syscall.SIGUSR2 {
				return errStopped
			}
		case word, open := <-s.lifeline:
			if !open {
				return errStopped
			}
			s.hear(word)
		case <-end:
			return fmt.Errorf("waited %s in vain for %s\n%s", patience, what, s.tails())
		}
	}
	return nil
}

// serve returns when the sandbox is to end.
func (s *supervisor) serve() {
	folder := time.NewTicker(time.Second)
	defer folder.Stop()
	restarted := make(chan bool, 1)
	lifeline := s.lifeline
	for {
		select {
		case received := <-s.signals:
			switch received {
			case syscall.SIGUSR1:
				s.stopAPIServer()
			case syscall.SIGUSR2:
				s.restartAPIServer(restarted)
			default:
				return
			}
		case <-restarted:
			if s.state.APIServer == "starting" {
				s.setAPIServer("running")
			}
		case p := <-s.ended:
			if s.parts[p.name] == p {
				s.noteEnd(p)
				if p.name == "kube-apiserver" {
					s.setAPIServer("stopped")
				}
				s.tell(wordWarning, fmt.Sprintf("%s ended (%v)\n%s", p.name, p.err, tail(p.log)))
			}
		case word, open := <-lifeline:
			if open {
				s.hear(word)
			} else if s.detached {
				lifeline = nil
			} else {
				return
			}
		case <-folder.C:
			// Whoever removes the folder means the whole sandbox.
			if _, err := os.Stat(filepath.Join(s.dir, lockName)); os.IsNotExist(err) {
				return
			}
		}
	}
}

func (s *supervisor) hear(word string) {
	kind, value, _ := strings.Cut(word, " ")
	switch kind {
	case wordDetach:
		s.detached = true
	case wordCommand:
		s.attached, _ = strconv.Atoi(value)
	}
}

// tell writes one line, whatever the text: the reader takes it apart by lines.
func (s *supervisor) tell(word, text string) {
	fmt.Fprintf(s.report, "%s %s\n", word, strconv.Quote(text))
}

// clear leaves nothing behind.
func (s *supervisor) clear() {
	if s.attached > 0 {
		_ = syscall.Kill(-s.attached, syscall.SIGKILL)
	}
	s.killParts()
	removeFolder(s.dir)
}

// removeFolder tries again: a command that was killed may write a last file.
func removeFolder(dir string) {
	for range 20 {
		if os.RemoveAll(dir) == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
