package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// part is one running program of the control plane.
type part struct {
	name    string
	command *exec.Cmd
	log     string
	ended   bool
	err     error
}

func (s *supervisor) startPart(name, binary string, arguments []string) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "logs", name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(binary, arguments...)
	command.Args[0] = name // the control plane is one program with many names
	command.Dir = s.dir
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + os.TempDir()}
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = endsWithParent(syscall.SIGKILL)
	p := &part{name: name, command: command, log: log.Name()}
	if err := command.Start(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.parts[name] = p
	if name == "kube-apiserver" {
		s.state.APIPid = command.Process.Pid
	}
	go func() {
		p.err = command.Wait()
		s.ended <- p
	}()
	return nil
}

// stopAPIServer is an outage: no farewell to open connections.
func (s *supervisor) stopAPIServer() {
	if p := s.parts["kube-apiserver"]; p != nil {
		delete(s.parts, p.name)
		_ = p.command.Process.Kill()
		for ended := range s.ended {
			if ended == p {
				break
			}
			s.noteEnd(ended)
		}
	}
	s.setAPIServer("stopped")
}

func (s *supervisor) restartAPIServer(restarted chan<- bool) {
	if s.parts["kube-apiserver"] != nil {
		s.setAPIServer(s.state.APIServer)
		return
	}
	if err := s.startPart("kube-apiserver", s.built.controlplane, s.plane.apiServer()); err != nil {
		s.tell(wordWarning, err.Error())
		return
	}
	s.setAPIServer("starting")
	go func() {
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(25 * time.Millisecond) {
			if s.plane.serverReady() {
				restarted <- true
				return
			}
		}
	}()
}

func (s *supervisor) setAPIServer(value string) {
	s.state.APIServer = value
	if err := s.state.write(s.dir); err != nil {
		s.tell(wordWarning, err.Error())
	}
}

func (s *supervisor) noteEnd(p *part) {
	p.ended = true
	if s.parts[p.name] == p {
		delete(s.parts, p.name)
	}
}

// killParts is not polite: their data is thrown away, and an API server would
// take half a minute to end by itself.
func (s *supervisor) killParts() {
	for _, p := range s.parts {
		_ = p.command.Process.Kill()
	}
	for len(s.parts) > 0 {
		s.noteEnd(<-s.ended)
	}
}

func (s *supervisor) tails() string {
	var all []string
	for _, p := range s.parts {
		all = append(all, p.name+":\n"+tail(p.log))
	}
	return strings.Join(all, "\n")
}

// tail is the end of a log, where the reason usually is.
func tail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	const most = 4096
	if info, err := file.Stat(); err == nil && info.Size() > most {
		_, _ = file.Seek(-most, io.SeekEnd)
	}
	content, _ := io.ReadAll(file)
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	if len(lines) > 15 {
		lines = lines[len(lines)-15:]
	}
	return "  " + strings.Join(lines, "\n  ")
}
