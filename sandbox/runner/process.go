package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"
)

// lockFile waits for the lock on path, which its holder's end releases,
// whatever that end was. The content stays empty.
func lockFile(path string, waiting func()) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == syscall.EWOULDBLOCK && waiting != nil {
		waiting()
		for err = syscall.EINTR; err == syscall.EINTR; {
			err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
		}
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return file, nil
}

// locked tells whether a living process holds the lock of the sandbox in dir.
func locked(dir string) bool {
	file, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return false
	}
	defer file.Close()
	return syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == syscall.EWOULDBLOCK
}

// awaitUnlocked waits until the supervisor of dir has ended.
func awaitUnlocked(dir string, patience time.Duration) bool {
	for end := time.Now().Add(patience); locked(dir); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// foregroundGroup tells whether this process group owns the terminal, so that
// what is typed there has reached everyone in the group already.
func foregroundGroup() bool {
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer terminal.Close()
	group, ok := terminalGroup(terminal)
	return ok && group == syscall.Getpgrp()
}

func isTTY(file *os.File) bool {
	_, ok := terminalGroup(file)
	return ok
}

func terminalGroup(terminal *os.File) (int, bool) {
	var group int32
	_, _, failure := syscall.Syscall(syscall.SYS_IOCTL, terminal.Fd(), syscall.TIOCGPGRP, uintptr(unsafe.Pointer(&group)))
	return int(group), failure == 0
}
