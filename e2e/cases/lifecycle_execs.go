package cases

import (
	"context"
	"fmt"
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
		cases[i].Precondition = execPodGiven
	}
	return cases
}

// execPodGiven waits until both containers that are to end have come to their loops.
func execPodGiven(o suite.Observation) error {
	for _, e := range execEnds {
		first, err := ownFirst(o, e.name)
		if err != nil {
			return err
		}
		if own := o.Container(e.name); len(family(own, first)) < 2 {
			return suite.CannotTell("container "+e.name+"'s first process has a child", "none", own)
		}
	}
	_, err := ownFirst(o, "killer")
	return err
}

// endsBoth is the name of the command that ends both containers.
const endsBoth = "end both"

// toEnd are the PIDs by which the killer sees both containers' first processes; false where
// it does not.
func toEnd(o suite.Observation) ([]string, bool) {
	var pids []string
	for _, e := range execEnds {
		p, seen := o.Container("killer").Find(firstOf(o, e.name))
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
		own, err := ownFirst(o, e.name)
		if err != nil {
			return err
		}
		if !showsAs(o.Container("killer"), firstOf(o, e.name), own) {
			return suite.Violation(fmt.Sprintf("the killer sees the first process of container %s, PID %s", e.name, own.Identity()), "it does not",
				o.Container("killer"), o.Container(e.name))
		}
	}
	return nil
}

// endBoth has the killer end both containers.
func endBoth(ctx context.Context, pod suite.PodClient, pids []string) (probe.CommandResult, error) {
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

// sessionOf names a session in a container.
func sessionOf(container string) string { return "session in " + container }

// endBesideExecs starts both in both containers, and ends these.
var endBesideExecs = &suite.Act{
	Name:   "end-beside-execs",
	Within: comeback, ExecWithin: sessionsLast,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		pids, seen := toEnd(pod.Before())
		if !seen {
			return nil // the judge says so
		}
		var doomed []probe.Process
		var sessions []*session
		for _, e := range execEnds {
			open, err := openSession(ctx, pod, sessionOf(e.name), e.name)
			if err != nil {
				return err
			}
			defer open.giveUp()
			if _, _, err := open.noteSeenFrom(ctx, pod, "killer"); err != nil {
				return err
			}
			daemon, err := leaveDaemon(ctx, pod, e.name)
			if err != nil || daemon.PID == 0 {
				return err // it was not left, or not seen: the judge says so
			}
			doomed, sessions = append(doomed, open.process, daemon), append(sessions, open)
		}
		if sent, err := endBoth(ctx, pod, pids); err != nil || wasRefused(sent) {
			return err
		}
		for _, s := range sessions {
			if err := s.noteEnd(pod, comeback); err != nil {
				return err
			}
		}
		back, err := pod.Await(ctx, comeback, "running again", startedAgain(pod.Before().Pod, 1, "finished", "killed"))
		if err != nil || !back {
			return err
		}
		return noteLeftovers(ctx, pod, "killer", doomed)
	},
}

// leaveDaemon has an exec leave a process behind, and notes it once its container sees it, and what the
// killer sees of it.
func leaveDaemon(ctx context.Context, pod suite.PodClient, container string) (probe.Process, error) {
	argument := "/tmp/session-" + probe.RandomHex(10)
	const script = `(setsid sh -c 'while :; do sleep 3600; done' "$1" </dev/null >/dev/null 2>&1 &)`
	left, err := pod.Exec(ctx, "leave daemon in "+container, container, "sh", "-c", script, "leave", argument)
	if err != nil || !left.Ran() || left.Code != 0 {
		return probe.Process{}, err
	}
	own, err := onceSeen(ctx, pod, container, reply, withArgument(argument))
	if err != nil || own.PID == 0 {
		return own, err
	}
	pod.Note(func(saw *suite.Saw) { saw.OfDaemon(container, func(of *suite.Sight) { of.Own = &own }) })
	from, err := look(ctx, pod, "killer")
	if err != nil {
		return own, err
	}
	if seen, ok := from.Find(withArgument(argument)); ok {
		pod.Note(func(saw *suite.Saw) { saw.OfDaemon(container, func(of *suite.Sight) { of.SeenBy("killer", seen) }) })
	}
	return own, nil
}

// daemonSeen demands that a container saw what an exec left behind in it, and the killer the same process.
func daemonSeen(o suite.Observation, container string) (probe.Process, error) {
	daemon := o.Saw.Daemons[container]
	if daemon.Own == nil {
		return probe.Process{}, suite.CannotTell("the daemon in "+container+", seen from its own container", "it was not seen", o.Container(container))
	}
	if seen, ok := daemon.From["killer"]; !ok || seen.Identity() != daemon.Own.Identity() {
		return *daemon.Own, suite.Violation(fmt.Sprintf("the killer sees the daemon in %s, PID %s", container, daemon.Own.Identity()), "it does not", o.Container("killer"), o.Container(container))
	}
	return *daemon.Own, nil
}

// leftoversOfExecDied looks for them by PID and start time, whoever looks.
func leftoversOfExecDied(o suite.Observation) error {
	if err := killerSeesBoth(o); err != nil {
		return err
	}
	var doomed []probe.Process
	for _, e := range execEnds {
		session, err := sessionSeen(o, sessionOf(e.name), e.name, "killer")
		if err != nil {
			return err
		}
		daemon, err := daemonSeen(o, e.name)
		if err != nil {
			return err
		}
		doomed = append(doomed, session, daemon)
	}
	if err := bothRestarted(o); err != nil {
		return err
	}
	if err := gone(o, o.Container("killer"), doomed, "finished", "killed", "killer"); err != nil {
		return err
	}
	if err := nothingLeftOver(o, "killer"); err != nil {
		return err
	}
	for _, e := range execEnds {
		if err := sessionEnded137(o, sessionOf(e.name), "the "+sessionOf(e.name)+" ends with exit code 137 when the container ends"); err != nil {
			return err
		}
	}
	return nil
}
