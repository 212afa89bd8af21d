package main

import "syscall"

// endsWithParent makes the kernel send signal to a child whose parent is
// gone, however it went.
func endsWithParent(signal syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: signal}
}
