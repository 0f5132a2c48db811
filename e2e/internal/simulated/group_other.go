//go:build unix && !linux

package simulated

import "syscall"

// ownGroup is a process group of its own.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
