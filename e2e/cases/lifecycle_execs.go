package cases

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// Two containers end, the one by itself and the other by force, while what exec started
// in them runs.

// execEnds are the containers of lifecycle-execs.yaml that the killer ends, and how.
var execEnds = []struct {
	name   string
	code   int
	reason string
}{
	{"finished", 0, "Completed"},
	{"killed", 137, "Error"},
}

func execCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:     "lifecycle/leftovers-of-exec-die",
			Level:  suite.Extended,
			Claim:  "What exec started in a container, a session that is open and a process that a finished exec left behind, does not outlive the container's restart, whether its first process exits or is killed.",
			Source: kep495 + "; cri-o#7937 (it lived on)",
			Act:    endBesideExecs,
			Judge:  ifSent("killer", endsBoth, leftoversOfExecDied),
		},
		{
			ID:     "lifecycle/unread-session-container-ends",
			Level:  suite.Extended,
			Claim:  "An exec session that cannot print, because its client reads nothing, hinders neither its container's end nor its restart, and ends with the container.",
			Source: kubeletRestarts + "; cri-o#6699 (the container was stopping for ever)",
			Act:    endBesideUnread,
			Judge:  ifSent("killer", endsBoth, endedBesideUnread),
		},
		{
			ID:     "lifecycle/unread-session-pod-goes",
			Level:  suite.Extended,
			Claim:  "A pod with an exec session that cannot print, because its client reads nothing, is gone within two minutes after its grace period.",
			Source: kubeletStops + "; cri-o#6699 (the pod stayed)",
			Act:    deleteBesideUnread,
			Judge:  wentBesideUnread,
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "lifecycle-execs.yaml", "lifecycle-execs-isolated.yaml"
		cases[i].Given = execPodGiven
	}
	return cases
}

// execPodGiven waits until both containers that are to end have come to their loops.
func execPodGiven(o suite.Observation) error {
	for _, e := range execEnds {
		first, err := ownBeginning(o, e.name)
		if err != nil {
			return err
		}
		if own := o.Container(e.name); len(family(own, first)) < 2 {
			return suite.CannotTell("container "+e.name+"'s first process has a child", "none", own)
		}
	}
	_, err := ownBeginning(o, "killer")
	return err
}

// endsBoth is the name of the command that ends both containers.
const endsBoth = "end both"

// toEnd are the PIDs by which the killer sees both containers' first processes; false where
// it does not.
func toEnd(o suite.Observation) ([]string, bool) {
	var pids []string
	for _, e := range execEnds {
		p, seen := began(o, o.Container("killer"), e.name)
		if !seen {
			return nil, false
		}
		pids = append(pids, strconv.Itoa(p.PID))
	}
	return pids, true
}

// killerSeesBoth is toEnd's answer as a finding.
func killerSeesBoth(o suite.Observation) error {
	for _, e := range execEnds {
		own, err := ownBeginning(o, e.name)
		if err != nil {
			return err
		}
		if seen, ok := began(o, o.Container("killer"), e.name); !ok || seen.Identity() != own.Identity() {
			return suite.Violation(fmt.Sprintf("the killer sees the first process of container %s, PID %s", e.name, own.Identity()), "it does not",
				o.Container("killer"), o.Container(e.name))
		}
	}
	return nil
}

// endBoth has the killer end both containers.
func endBoth(ctx context.Context, pod suite.Hands, pids []string) (probe.CommandResult, error) {
	return pod.Exec(ctx, endsBoth, "killer", append([]string{"sh", "-c", `kill -USR1 "$1" && kill -KILL "$2"`, "end"}, pids...)...)
}

// bothRestarted demands that both containers ended as they were to, and run again.
func bothRestarted(o suite.Observation) error {
	for _, e := range execEnds {
		if err := restartedOnce(o, e.name, e.code, e.reason); err != nil {
			return err
		}
	}
	return nil
}

// sessionOf and daemonOf name what exec started in a container, in commands and notes.
func sessionOf(container string) string { return "session in " + container }
func daemonOf(container string) string  { return "daemon in " + container }

// fromKiller names the note of what the killer sees of a process.
func fromKiller(name string) string { return name + " from killer" }

// endBesideExecs starts both in both containers, and ends these.
var endBesideExecs = &suite.Act{
	Name:   "end-beside-execs",
	Within: comeback, ExecWithin: sessionsLast,
	Do: func(ctx context.Context, pod suite.Hands) error {
		pids, seen := toEnd(pod.Before())
		if !seen {
			return nil // the judge says so
		}
		doomed, sessions := map[string]probe.Process{}, map[string]*session{}
		for _, e := range execEnds {
			open, err := openSession(ctx, pod, sessionOf(e.name), e.name)
			if err != nil {
				return err
			}
			defer open.giveUp()
			sessions[e.name] = open
			pod.Note(sessionOf(e.name), encoded(open.process))
			daemon, err := leaveDaemon(ctx, pod, e.name)
			if err != nil || daemon.PID == 0 {
				return err // it was not left, or not seen: the judge says so
			}
			doomed[sessionOf(e.name)], doomed[daemonOf(e.name)] = open.process, daemon
		}
		if err := noteFromKiller(ctx, pod, doomed); err != nil {
			return err
		}
		if sent, err := endBoth(ctx, pod, pids); err != nil || wasRefused(sent) {
			return err
		}
		for _, e := range execEnds {
			ended, err := sessions[e.name].end(comeback)
			if err != nil {
				return err
			}
			pod.Note(sessionOf(e.name)+" ended", strconv.FormatBool(ended))
		}
		back, err := pod.Await(ctx, comeback, "running again", restarted("finished", "killed"))
		if err != nil || !back {
			return err
		}
		return noteLeftovers(ctx, pod, slices.Collect(maps.Values(doomed)))
	},
}

// leaveDaemon has an exec leave a process behind, and notes it once its container sees it.
func leaveDaemon(ctx context.Context, pod suite.Hands, container string) (probe.Process, error) {
	argument := "/tmp/session-" + probe.RandomHex(10)
	const script = `(setsid sh -c 'while :; do sleep 3600; done' "$1" </dev/null >/dev/null 2>&1 &)`
	left, err := pod.Exec(ctx, "leave "+daemonOf(container), container, "sh", "-c", script, "leave", argument)
	if err != nil || !left.Ran() || left.Code != 0 {
		return probe.Process{}, err
	}
	return noteOnceSeen(ctx, pod, daemonOf(container), container, func(p probe.Process) bool { return hasArgument(p, argument) })
}

// noteFromKiller notes what the killer sees of processes, under their names. They are told by
// their last arguments, which are random.
func noteFromKiller(ctx context.Context, pod suite.Hands, processes map[string]probe.Process) error {
	from, err := look(ctx, pod, "killer")
	if err != nil {
		return err
	}
	for name, p := range processes {
		argument := p.Argv[len(p.Argv)-1]
		if seen, ok := from.Find(func(p probe.Process) bool { return hasArgument(p, argument) }); ok {
			pod.Note(fromKiller(name), encoded(seen))
		}
	}
	return nil
}

// seenFromBoth demands that a container saw a process, and the killer the same one.
func seenFromBoth(o suite.Observation, name, container string) (probe.Process, error) {
	own, ok := noted(o, name)
	if !ok {
		return own, suite.CannotTell("the "+name+", seen from its own container", "it was not seen", o.Container(container))
	}
	if seen, ok := noted(o, fromKiller(name)); !ok || seen.Identity() != own.Identity() {
		return own, suite.Violation(fmt.Sprintf("the killer sees the %s, PID %s", name, own.Identity()), "it does not", o.Container("killer"), o.Container(container))
	}
	return own, nil
}

// leftoversOfExecDied looks for them by PID and start time, whoever looks.
func leftoversOfExecDied(o suite.Observation) error {
	if err := killerSeesBoth(o); err != nil {
		return err
	}
	var doomed []probe.Process
	for _, e := range execEnds {
		for _, name := range []string{sessionOf(e.name), daemonOf(e.name)} {
			p, err := seenFromBoth(o, name, e.name)
			if err != nil {
				return err
			}
			doomed = append(doomed, p)
		}
	}
	if err := bothRestarted(o); err != nil {
		return err
	}
	if err := gone(o, o.Container("killer"), doomed, "finished", "killed", "killer"); err != nil {
		return err
	}
	if err := nothingLeftOver(o); err != nil {
		return err
	}
	for _, e := range execEnds {
		name := sessionOf(e.name)
		if r := o.Ran[name]; o.Notes[name+" ended"] != "true" || r.Code != 137 {
			return suite.Violation("the "+name+" ends with exit code 137 when the container ends", fmt.Sprintf("ended: %s; %s", o.Notes[name+" ended"], r))
		}
	}
	return nil
}
