package cases

import (
	"fmt"
	"strconv"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// initCases state that init containers share the namespace. They are gone when
// the pod is Ready: each writes down what it sees, and the container behind them
// has the files.
func initCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:     "init/one-namespace",
			Level:  suite.Core,
			Claim:  "Every init container runs in the PID namespace that the pod's containers run in.",
			Source: apiReference + " (all of the containers in a pod); " + kep495 + " (regular and init containers)",
			Judge:  initInNamespaceOfMain,
		},
		{
			ID:     "init/not-pid-1",
			Level:  suite.Core,
			Claim:  "No init container's first process is PID 1.",
			Source: apiReference + " (the first process in each container will not be assigned PID 1); " + onUnderstanding1,
			Judge:  initIsNotPID1,
		},
		{
			ID:     "init/sees-only-the-sandbox-besides",
			Level:  suite.Extended,
			Claim:  "An init container sees the sandbox as PID 1 and its own processes, and no other: those before it are over, those after it have not begun.",
			Source: kep495 + "; Kubernetes documentation, “Init Containers” (each must complete before the next one starts)",
			Judge:  initSeesOnlySandbox,
		},
		{
			ID:     "init/leftovers-are-gone",
			Level:  suite.Extended,
			Claim:  "A process that an init container left behind in the shared namespace is gone before the next container starts.",
			Source: "CRI, StopContainer and the end of a container: no process of it stays; Kubernetes documentation, “Init Containers” (init containers run to completion)",
			Judge:  leftoverGone,
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "init.yaml", "init-isolated.yaml"
		cases[i].Read = []string{seenBy("first"), seenBy("second"), seenBy("main"), leftFile}
		cases[i].Precondition = func(o suite.Observation) error {
			_, err := written(o, "main")
			return err
		}
	}
	return cases
}

// initNames are the init containers of init.yaml, in their order.
var initNames = []string{"first", "second"}

// seenBy is the file in which a container of init.yaml wrote what it saw.
func seenBy(container string) string { return "/seen/" + container }

// leftFile holds the identity of the process that the first one left behind.
const leftFile = "/seen/left"

// written is what a container wrote down as it started, read from the container main.
func written(o suite.Observation, by string) (*probe.Snapshot, error) {
	file := o.Container("main").Files[seenBy(by)]
	if !file.OK() {
		return nil, suite.CannotTell("what container "+by+" wrote down", describeAccess(file), o.Container("main"))
	}
	s, err := parseWritten(by, file.Text)
	if err != nil {
		return nil, suite.CannotTell("what container "+by+" wrote down", err.Error())
	}
	return s, nil
}

// parseWritten reads lines of the forms “self STAT”, “namespace LINK” and
// “process STAT”, where STAT is a line of /proc/PID/stat.
func parseWritten(container, text string) (*probe.Snapshot, error) {
	s := &probe.Snapshot{Container: container, Namespaces: map[string]uint64{}}
	unread := probe.Access{Errno: probe.Unknown, Message: "not looked at"}
	for line := range strings.Lines(text) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch kind {
		case "self", "process":
			p, err := probe.ParseStat(rest)
			if err != nil {
				return nil, err
			}
			p.Environ, p.Root = unread, unread
			if kind == "self" {
				s.Self = p.PID
			} else {
				s.Processes = append(s.Processes, p)
			}
		case "namespace":
			inode, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(rest, "pid:["), "]"), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%q is no PID namespace: %w", rest, err)
			}
			s.Namespaces["pid"] = inode
		}
	}
	// That it saw itself is the witness that it would have seen others.
	if _, ok := s.Process(s.Self); s.Namespaces["pid"] == 0 || !ok {
		return nil, fmt.Errorf("it does not name its namespace and itself: %q", text)
	}
	return s, nil
}

func initInNamespaceOfMain(o suite.Observation) error {
	main := o.Container("main")
	if _, err := ownProcess(o, "main", "main"); err != nil {
		return err
	}
	for _, name := range initNames {
		seen, err := written(o, name)
		if err != nil {
			return err
		}
		if err := sameNamespace(seen, main); err != nil {
			return err
		}
	}
	return nil
}

func initIsNotPID1(o suite.Observation) error {
	for _, name := range initNames {
		seen, err := written(o, name)
		if err != nil {
			return err
		}
		self, _ := seen.Process(seen.Self)
		if _, ok := seen.Process(1); self.PID == 1 || self.PPID != 0 || !ok {
			return suite.Violation(
				fmt.Sprintf("init container %s has a PID other than 1, its parent outside the namespace (PPID 0), and sees a PID 1", name),
				fmt.Sprintf("PID %d, PPID %d", self.PID, self.PPID), seen)
		}
	}
	return nil
}

func initSeesOnlySandbox(o suite.Observation) error {
	sandbox, ok := o.Container("main").Process(1)
	if !ok {
		return suite.CannotTell("PID 1, as the container behind the init containers sees it", "none", o.Container("main"))
	}
	for _, name := range initNames {
		seen, err := written(o, name)
		if err != nil {
			return err
		}
		self, _ := seen.Process(seen.Self)
		first, ok := seen.Process(1)
		if !ok || first.Identity() != sandbox.Identity() || self.PID == 1 {
			return suite.Violation("init container "+name+" sees the sandbox as PID 1", "PID 1 is "+first.Identity().String(), seen, o.Container("main"))
		}
		strangers := seen.All(func(p probe.Process) bool { return p.PID != 1 && p.PID != self.PID && p.PPID != self.PID })
		if len(strangers) > 0 {
			return suite.Violation("init container "+name+" sees no process but the sandbox's and its own", fmt.Sprintf("PID %d is another", strangers[0].PID), seen)
		}
	}
	return nil
}

// leftoverGone asks three times: the init container behind, and the container
// behind both, looked as they started; and the snapshot is later.
func leftoverGone(o suite.Observation) error {
	file := o.Container("main").Files[leftFile]
	left, err := probe.ParseStat(strings.TrimPrefix(strings.TrimSpace(file.Text), "process "))
	if !file.OK() || err != nil {
		return suite.CannotTell("the identity of the process that the first init container left behind", describeAccess(file))
	}
	leaver, err := written(o, "first")
	if err != nil {
		return err
	}
	for _, name := range []string{"second", "main"} {
		seen, err := written(o, name)
		if err != nil {
			return err
		}
		// Where it was left behind in another namespace, nothing can be said of it.
		if err := sameNamespace(leaver, seen); err != nil {
			return err
		}
		if p, ok := seen.Process(left.PID); ok && p.Identity() == left.Identity() {
			return suite.Violation("the process that the first init container left behind, PID "+left.Identity().String()+", is gone when container "+name+" starts",
				"it is there, in state "+p.State, leaver, seen)
		}
	}
	if _, err := ownProcess(o, "main", "main"); err != nil {
		return err
	}
	if p, ok := o.Container("main").Find(carrying(o, "left")); ok {
		return suite.Violation("no process of the first init container is there while the pod runs", fmt.Sprintf("PID %d is", p.PID), o.Container("main"))
	}
	return nil
}
