package main

import (
	"fmt"
	"slices"
	"strings"
)

// processes is what ps ax shows of the page's pod.
type processes struct {
	first   string // the command line of process 1
	master  string // the PID of nginx's master
	workers []string
}

// parse reads what busybox's ps prints: PID, user and command, with the time between them where it is
// built to show that. The heading tells which column the command begins in. Lines that are nothing of the
// kind are left out.
func parse(list string) processes {
	var p processes
	command := -1
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if command < 0 {
			command = slices.Index(fields, "COMMAND")
			continue
		}
		if len(fields) <= command {
			continue
		}
		pid, what := fields[0], strings.Join(fields[command:], " ")
		switch {
		case pid == "1":
			p.first = what
		case strings.HasPrefix(what, "nginx: master"):
			p.master = pid
		case strings.HasPrefix(what, "nginx: worker"):
			p.workers = append(p.workers, pid)
		}
	}
	return p
}

// shared says what is missing of a PID namespace that the pod's containers share.
func (p processes) shared() error {
	switch {
	case p.first == "" || strings.HasPrefix(p.first, "nginx") || p.first == "sh" || strings.HasPrefix(p.first, "sleep"):
		return fmt.Errorf("process 1 is %q, and not the sandbox's", p.first)
	case p.master == "":
		return fmt.Errorf("nginx's master is not visible")
	case len(p.workers) == 0:
		return fmt.Errorf("nginx's workers are not visible")
	}
	return nil
}

// replacedBy tells whether there are workers now, and none of the earlier ones, of the same master.
func (p processes) replacedBy(now processes) bool {
	return now.master == p.master && len(now.workers) > 0 &&
		!slices.ContainsFunc(now.workers, func(pid string) bool { return slices.Contains(p.workers, pid) })
}
