package simulated

import "syscall"

// ownGroup is a process group of its own, whose leader the kernel kills when the thread that started it ends.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
