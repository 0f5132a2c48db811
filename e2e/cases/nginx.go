package cases

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// nginxConf is the file that the page reads through /proc/PID/root.
const nginxConf = "/etc/nginx/nginx.conf"

// master finds nginx's master: the nginx process that no process of its own PID
// namespace started.
func master(s *probe.Snapshot) (probe.Process, bool) {
	return s.Find(func(p probe.Process) bool { return p.Comm == "nginx" && p.PPID == 0 })
}

// workers are the master's children.
func workers(s *probe.Snapshot, master probe.Process) []probe.Process {
	return s.All(func(p probe.Process) bool { return p.Comm == "nginx" && p.PPID == master.PID && p.State != "Z" })
}

// nginxServing is the precondition of every case about nginx, seen from its own
// container: a master with workers.
func nginxServing(o suite.Observation) error {
	own := o.Container("nginx")
	m, ok := master(own)
	if !ok {
		return suite.CannotTell("nginx's master process in its own container", "none", own)
	}
	if len(workers(own, m)) == 0 {
		return suite.CannotTell("at least one nginx worker in its own container", "none", own)
	}
	return nil
}

// masterSeenFrom demands that another container sees nginx's master: the same
// PID with the same start time as nginx's own container does.
func masterSeenFrom(o suite.Observation, container string) (probe.Process, error) {
	own, other := o.Container("nginx"), o.Container(container)
	want, ok := master(own)
	if !ok {
		return want, suite.CannotTell("nginx's master process in its own container", "none", own)
	}
	got, ok := other.Process(want.PID)
	if !ok || got.Identity() != want.Identity() || got.Comm != "nginx" {
		return want, suite.Violation(
			fmt.Sprintf("container %s sees nginx's master as PID %s", container, want.Identity()),
			"it does not", own, other)
	}
	return got, nil
}

// workersReplaced demands what SIGHUP does to nginx, seen from its own container:
// the same master, none of the old workers, at least one new.
func workersReplaced(o suite.Observation) error {
	before, after := o.Container("nginx"), o.AfterIn("nginx")
	oldMaster, ok := master(before)
	if !ok {
		return suite.CannotTell("nginx's master process before the signal", "none", before)
	}
	if err := sameMaster(oldMaster, before, after); err != nil {
		return err
	}
	old, now := identities(workers(before, oldMaster)), identities(workers(after, oldMaster))
	stayed := slices.DeleteFunc(slices.Clone(old), func(i probe.Identity) bool { return !slices.Contains(now, i) })
	if len(stayed) > 0 || len(now) == 0 {
		return suite.Violation(
			"every worker is replaced by a new one after SIGHUP",
			fmt.Sprintf("workers before: %v, after: %v", old, now), before, after)
	}
	return nil
}

// workersUntouched demands that nginx has the same master and the same workers.
func workersUntouched(o suite.Observation) error {
	before, after := o.Container("nginx"), o.AfterIn("nginx")
	m, ok := master(before)
	if !ok {
		return suite.CannotTell("nginx's master process before the act", "none", before)
	}
	if err := sameMaster(m, before, after); err != nil {
		return err
	}
	old, now := identities(workers(before, m)), identities(workers(after, m))
	if !slices.Equal(old, now) {
		return suite.Violation("nginx's workers are unchanged",
			fmt.Sprintf("workers before: %v, after: %v", old, now), before, after)
	}
	return nil
}

func sameMaster(m probe.Process, before, after *probe.Snapshot) error {
	if !shows(after, m) {
		return suite.Violation("nginx's master stays "+m.Identity().String(), "it is gone", before, after)
	}
	return nil
}

// withoutProxy begins a script whose requests are to reach nginx itself. A cluster
// may put these variables into every container; wget asks them, curl and others too.
const withoutProxy = "unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY\n"

// The names under which an act records whether nginx answered, before its signal
// and after it.
const (
	answeredBefore = "http-before"
	answeredAfter  = "http"
)

// askNginx has a container ask nginx through the localhost that the pod's containers
// have in common, and records whether it answered.
func askNginx(ctx context.Context, pod suite.PodClient, name, container string) error {
	_, err := pod.Exec(ctx, name, container, "sh", "-c", withoutProxy+"exec wget -q -O /dev/null http://127.0.0.1/")
	return err
}

// answersStill demands that nginx answers HTTP after the signal. Nothing is concluded
// from its silence where it did not answer before either.
func answersStill(o suite.Observation) error {
	if before, asked := o.Ran[answeredBefore]; asked && (!before.Ran() || before.Code != 0) {
		return suite.CannotTell("nginx answers HTTP before the signal", before.String(), o.Container("nginx"))
	}
	return succeeded(o, answeredAfter, "nginx answers HTTP after the signal", o.AfterIn("nginx"))
}

// firstLines returns the first n lines, as head does.
func firstLines(text string, n int) string {
	lines := strings.SplitAfterN(text, "\n", n+1)
	return strings.Join(lines[:min(n, len(lines))], "")
}
