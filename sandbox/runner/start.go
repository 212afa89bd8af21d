package main

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// sandbox is a started supervisor, seen from the process that started it.
type sandbox struct {
	dir        string
	supervisor *exec.Cmd
	lifeline   io.WriteCloser
	report     *bufio.Scanner
	stopping   atomic.Bool
}

// start makes a sandbox in dir, which exists and is empty. The caller has to
// take it away, also when waiting for it fails.
func (s *site) start(o options) (*sandbox, error) {
	built, err := s.build()
	if err != nil {
		return nil, err
	}
	charts, err := s.charts(built)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(o.dir, "logs"), 0o755); err != nil {
		return nil, err
	}
	if err := s.writeTools(o.dir, built); err != nil {
		return nil, err
	}
	b := &sandbox{dir: o.dir}
	if err := b.launch(s, o, charts); err != nil {
		removeFolder(b.dir)
		return nil, err
	}
	return b, nil
}

func (b *sandbox) launch(s *site, o options, charts string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(b.dir, "logs", "supervisor.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer writer.Close()
	b.supervisor = exec.Command(self, s.source, "supervise", "--dir", b.dir, "--nodes", strconv.Itoa(o.nodes), "--charts", charts)
	b.supervisor.Stdout, b.supervisor.Stderr = log, log
	b.supervisor.ExtraFiles = []*os.File{writer}
	// A session of its own: what is typed at the terminal is for the command.
	b.supervisor.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if b.lifeline, err = b.supervisor.StdinPipe(); err != nil {
		return err
	}
	b.report = bufio.NewScanner(reader)
	b.report.Buffer(nil, 1<<20)
	return b.supervisor.Start()
}

// awaitReady returns when a first command can be run.
func (b *sandbox) awaitReady() error {
	for b.report.Scan() {
		word, text := b.read()
		switch word {
		case wordReady:
			return nil
		case wordFailed:
			return errors.New(text)
		}
	}
	return fmt.Errorf("the supervisor ended while starting\n%s", tail(filepath.Join(b.dir, "logs", "supervisor.log")))
}

// showWarnings goes on reading the report, which must not fill up.
func (b *sandbox) showWarnings() {
	for b.report.Scan() {
		if word, text := b.read(); word == wordWarning {
			fmt.Fprintln(os.Stderr, "sandbox:", text)
		}
	}
	if !b.stopping.Load() {
		fmt.Fprintln(os.Stderr, "sandbox: the control plane is gone, its supervisor was killed")
	}
}

func (b *sandbox) read() (word, text string) {
	word, quoted, _ := strings.Cut(b.report.Text(), " ")
	text, err := strconv.Unquote(quoted)
	if err != nil {
		text = quoted
	}
	return word, text
}

// stop ends the sandbox by letting go of it, and waits until nothing is left.
func (b *sandbox) stop() {
	b.stopping.Store(true)
	b.lifeline.Close()
	ended := make(chan struct{})
	go func() {
		_ = b.supervisor.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		_ = b.supervisor.Process.Kill()
		<-ended
	}
	removeFolder(b.dir) // what a supervisor that was killed could not
}

const temporaryPrefix = "kubectl-milvus-sandbox-"

// temporaryDir is where run keeps its sandbox. Whatever earlier runs left
// there, because they and their supervisor were killed at once, goes now.
func temporaryDir() (string, error) {
	parent := os.TempDir()
	entries, _ := os.ReadDir(parent)
	for _, entry := range entries {
		dir := filepath.Join(parent, entry.Name())
		info, err := entry.Info()
		if err != nil || !entry.IsDir() || !strings.HasPrefix(entry.Name(), temporaryPrefix) {
			continue
		}
		// A young one may be about to take its lock.
		if time.Since(info.ModTime()) > time.Minute && !locked(dir) && owned(info) {
			removeFolder(dir)
		}
	}
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	dir := filepath.Join(parent, temporaryPrefix+hex.EncodeToString(random))
	return dir, os.Mkdir(dir, 0o755)
}

func owned(info os.FileInfo) bool {
	status, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(status.Uid) == os.Geteuid()
}
