package cases

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// reapingCases state who reaps what is orphaned. On their controls PID 1 is a
// program that does not, so that zombies stay for good.
func reapingCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:          "reaping/orphan",
			Experiments: []string{byOrphan},
			Level:       suite.Extended,
			Claim:       "A container's orphaned process becomes a child of PID 1, as its sibling sees as well, and is reaped once it ends.",
			Source:      kep495 + " (the infrastructure container reaps); pid_namespaces(7)",
			Fixture:     "orphans.yaml",
			Control:     "orphans-isolated.yaml",
			Act:         leaveOrphans,
			Judge:       orphanReaped,
		},
		{
			ID:          "reaping/thousand-orphans",
			Experiments: []string{byBursts},
			Level:       suite.Extended,
			Claim:       "A thousand orphans that end in bursts of a hundred leave no zombie, and PID 1 lives on.",
			Source:      kep495 + " (the infrastructure container reaps); signal(7): SIGCHLD is not queued",
			Fixture:     "orphans.yaml",
			Control:     "orphans-isolated.yaml",
			Act:         leaveOrphans,
			Judge:       burstsReaped,
			Records:     "how many orphans there were",
			Record:      func(o suite.Observation) string { return strings.TrimSpace(o.Ran["bursts"].Stdout) },
		},
		{
			ID:          "reaping/exec",
			Experiments: []string{bySession},
			Level:       suite.Extended,
			Claim:       "A command run by exec has its parent outside the namespace (PPID 0), as its sibling sees as well, and leaves no zombie when it is killed.",
			Source:      "pid_namespaces(7): a process that joined has a parent outside; the CRI's ExecSync and Exec",
			Fixture:     "orphans.yaml",
			Control:     "orphans-isolated.yaml",
			Act:         leaveOrphans,
			Judge:       sessionReaped,
		},
		{
			ID:           "reaping/exec-probe-timeouts",
			Level:        suite.Extended,
			Claim:        "Exec probes that time out and leave children behind leave no zombie, and their children are gone when they have ended.",
			Source:       kep495 + " (the infrastructure container reaps); Kubernetes documentation, “Configure Liveness, Readiness and Startup Probes”, timeoutSeconds",
			Fixture:      "probe-timeouts.yaml",
			Control:      "probe-timeouts-isolated.yaml",
			Precondition: firstRoundDone,
			Read:         []string{probeRounds},
			Act:          letProbesTimeOut,
			Judge:        probesReaped,
			Records:      "how many probes timed out",
			Record: func(o suite.Observation) string {
				return fmt.Sprintf("%d probes timed out", strings.Count(o.AfterIn("probed").Files[probeRounds].Text, "\n"))
			},
		},
	}
	return slices.Concat(cases, []suite.Case{hookOrphanCase()}, limitCases())
}

func hookOrphanCase() suite.Case {
	return suite.Case{
		ID:      "reaping/post-start-orphan",
		Level:   suite.Extended,
		Claim:   "A process that a postStart hook leaves behind becomes a child of PID 1, as its sibling sees as well, and is reaped once it ends.",
		Source:  kep495 + " (the infrastructure container reaps); pid_namespaces(7); containerd#9979 (without sharing, it stays as a zombie)",
		Fixture: "post-start.yaml",
		Control: "post-start-isolated.yaml",
		Act:     killHookOrphan,
		Judge:   orphanReaped,
	}
}

// killHookOrphan ends what the hook left behind.
var killHookOrphan = &suite.Act{
	Name:   "kill-hook-orphan",
	Within: 30 * time.Second,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		return seeAndKill(ctx, pod, "orphan", func(saw *suite.Saw) *suite.Sight { return &saw.Orphan })
	},
}

// leaveOrphans makes an orphan and ends it, runs a command by exec and kills it,
// and then makes a thousand orphans, all in the same container.
var leaveOrphans = &suite.Act{
	Name:   "leave-orphans",
	Within: 30 * time.Second, ExecWithin: comeback, Many: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		for _, experiment := range []struct {
			name string
			do   func(context.Context, suite.PodClient) error
		}{{byOrphan, oneOrphan}, {bySession, oneSession}, {byBursts, bursts}} {
			if err := pod.Apart(ctx, experiment.name, func(ctx context.Context) error { return experiment.do(ctx, pod) }); err != nil {
				return err
			}
		}
		return nil
	},
}

// waitingFor is a cat that waits for what nobody writes into the FIFO named by a marker: a
// process with a random text in its arguments, which does nothing. It holds the other end
// itself, so that it waits while it reads, and not while it opens: gVisor does not take an
// opening up again when a container beside it ends.
func waitingFor(o suite.Observation, marker string) func(probe.Process) bool {
	carries := carrying(o, marker)
	return func(p probe.Process) bool { return p.Comm == "cat" && carries(p) }
}

func oneOrphan(ctx context.Context, pod suite.PodClient) error {
	const script = `mkfifo "/tmp/$ORPHAN" || exit; cat "/tmp/$ORPHAN" 3<>"/tmp/$ORPHAN" </dev/null >/dev/null 2>&1 &`
	if _, err := pod.Exec(ctx, "orphan", "maker", "sh", "-c", script); err != nil {
		return err
	}
	return seeAndKill(ctx, pod, "orphan", func(saw *suite.Saw) *suite.Sight { return &saw.Orphan })
}

// seeAndKill notes what the two containers see of the process with a marker, and kills it.
func seeAndKill(ctx context.Context, pod suite.PodClient, marker string, sight func(*suite.Saw) *suite.Sight) error {
	is := waitingFor(pod.Before(), marker)
	own, err := onceSeen(ctx, pod, "maker", reply, is)
	if err != nil || own.PID == 0 {
		return err
	}
	pod.Note(func(saw *suite.Saw) { sight(saw).Own = &own })
	s, err := pod.Observe(ctx, "sibling")
	if err != nil {
		return err
	}
	if p, ok := s.Find(is); ok {
		pod.Note(func(saw *suite.Saw) { sight(saw).SeenBy("sibling", p) })
	}
	_, err = pod.Exec(ctx, "kill-"+marker, "maker", "kill", "-KILL", strconv.Itoa(own.PID))
	return err
}

func oneSession(ctx context.Context, pod suite.PodClient) error {
	fifo := "/tmp/" + pod.Before().Markers["session"]
	// Killed or not, the session ends with the act.
	running, end := context.WithTimeout(ctx, 2*reply)
	defer end()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = pod.Exec(running, "session", "maker", "sh", "-c", `mkfifo "$1" || exit; exec cat "$1" 3<>"$1"`, "session", fifo)
	}()
	err := seeAndKill(ctx, pod, "session", func(saw *suite.Saw) *suite.Sight { return &saw.Command })
	if err != nil {
		end()
	}
	<-ended
	return err
}

// The thousand orphans come in bursts, each of which is killed at one blow.
const (
	orphansInAll   = 1000
	orphansAtATime = 100
)

// bursts prints how many orphans it made, and how many of the last burst are left.
func bursts(ctx context.Context, pod suite.PodClient) error {
	const script = `
made=0
left=0
while [ "$made" -lt "$1" ] && [ "$left" -eq 0 ]; do
	pids=
	n=0
	while [ "$n" -lt "$2" ]; do
		pid=$(sleep 3600 </dev/null >/dev/null 2>&1 & echo "$!")
		[ -n "$pid" ] || exit 1
		pids="$pids $pid"
		n=$((n + 1))
	done
	made=$((made + n))
	kill -KILL $pids || exit
	# Reaping takes no time to speak of; half a minute is for a node that is
	# busy with something else.
	for second in 0 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1; do
		sleep "$second"
		left=0
		for pid in $pids; do
			[ ! -e "/proc/$pid" ] || left=$((left + 1))
		done
		[ "$left" -gt 0 ] || break
	done
done
echo "made $made, left $left"
`
	_, err := pod.Exec(ctx, "bursts", "maker", "sh", "-c", script, "bursts", strconv.Itoa(orphansInAll), strconv.Itoa(orphansAtATime))
	return err
}

// killedItsOwn demands that the maker was not refused to kill a process of its own
// container, which the page does not promise.
func killedItsOwn(o suite.Observation, name string) error {
	r, tried := o.Ran[name]
	if errno, refused := refusal(r); refused {
		return notPromised(o.Container("maker"), "container maker may kill its own process", r.String(), errno)
	}
	if tried && !r.Ran() {
		return suite.Final(suite.CannotTell("container maker runs kill", r.String(), o.Container("maker")))
	}
	return nil
}

func orphanReaped(o suite.Observation) error {
	orphan := o.Saw.Orphan.Own
	if orphan == nil {
		made := "it was not seen"
		if r, ran := o.Ran["orphan"]; ran {
			made += "; " + r.String()
		}
		return suite.CannotTell("the orphan, seen in its own container", made, o.Container("maker"))
	}
	if err := killedItsOwn(o, "kill-orphan"); err != nil {
		return err
	}
	if orphan.PPID != 1 {
		return suite.Violation("the orphan's parent is PID 1", fmt.Sprintf("it is PID %d", orphan.PPID), o.Container("maker"))
	}
	if err := goneFrom(o, "maker", *orphan); err != nil {
		return err
	}
	if seen, ok := o.Saw.Orphan.From["sibling"]; !ok || seen.Identity() != orphan.Identity() || seen.PPID != 1 {
		return suite.Violation(fmt.Sprintf("the sibling sees the orphan %s as a child of PID 1", orphan.Identity()), "it does not", o.Container("sibling"))
	}
	return goneFrom(o, "sibling", *orphan)
}

func sessionReaped(o suite.Observation) error {
	session := o.Saw.Command.Own
	if session == nil {
		return suite.CannotTell("the exec'd command, seen in its own container", o.Ran["session"].String())
	}
	if err := killedItsOwn(o, "kill-session"); err != nil {
		return err
	}
	if session.PPID != 0 {
		return suite.Violation("the exec'd command's parent is outside the namespace (PPID 0)", fmt.Sprintf("it is PID %d", session.PPID), o.Container("maker"))
	}
	if seen, ok := o.Saw.Command.From["sibling"]; !ok || seen.Identity() != session.Identity() || seen.PPID != 0 {
		return suite.Violation(fmt.Sprintf("the sibling sees the exec'd command %s, with a parent outside the namespace", session.Identity()), "it does not", o.Container("sibling"))
	}
	for _, container := range []string{"maker", "sibling"} {
		if err := goneFrom(o, container, *session); err != nil {
			return err
		}
	}
	return nil
}

func burstsReaped(o suite.Observation) error {
	if err := killedItsOwn(o, "bursts"); err != nil {
		return err
	}
	result := o.Ran["bursts"]
	var made, left int
	if _, err := fmt.Sscanf(result.Stdout, "made %d, left %d", &made, &left); err != nil || result.Code != 0 {
		return suite.CannotTell("the count of the orphans made, and of those left", result.String())
	}
	if left > 0 {
		return suite.Violation("no orphan is left when its burst was killed", result.String(), o.AfterIn("sibling"))
	}
	if made != orphansInAll {
		return suite.CannotTell(fmt.Sprintf("%d orphans", orphansInAll), result.String())
	}
	if err := samePID1(o, "sibling"); err != nil {
		return err
	}
	if zombies := zombiesIn(o.AfterIn("sibling")); len(zombies) > 0 {
		return suite.Violation("no zombie is left", fmt.Sprint(zombies), o.AfterIn("sibling"))
	}
	return nothingRestarted(o)
}

// probeRounds is the file in which each run of the probe writes a line.
const probeRounds = "/rounds"

// enoughRounds of a probe that takes three seconds until it times out last longer than the
// five seconds of one child's life.
const enoughRounds = 4

func firstRoundDone(o suite.Observation) error {
	if rounds := o.Container("probed").Files[probeRounds]; !rounds.OK() || rounds.Text == "" {
		return suite.CannotTell("the probe ran once", describeAccess(rounds), o.Container("probed"))
	}
	return nil
}

// letProbesTimeOut waits for some rounds of the probe, and notes the zombies
// there are then: one that is still there later is not about to be reaped.
var letProbesTimeOut = &suite.Act{
	Name:   "let-probes-time-out",
	Within: 60 * time.Second, ExecWithin: comeback,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		const script = `
n=0
until [ "$(wc -l </rounds)" -ge "$1" ]; do
	# The probe's period.
	sleep 1
	n=$((n + 1))
	[ "$n" -lt 60 ] || exit 1
done
`
		if _, err := pod.Exec(ctx, "rounds", "probed", "sh", "-c", script, "rounds", strconv.Itoa(enoughRounds)); err != nil {
			return err
		}
		s, err := pod.Observe(ctx, "probed")
		if err != nil {
			return err
		}
		zombies := zombiesIn(s)
		pod.Note(func(saw *suite.Saw) { saw.Zombies = &zombies })
		return nil
	},
}

func probesReaped(o suite.Observation) error {
	before, after := o.Container("probed"), o.AfterIn("probed")
	if rounds := after.Files[probeRounds]; strings.Count(rounds.Text, "\n") < enoughRounds {
		return suite.CannotTell(fmt.Sprintf("%d rounds of the probe", enoughRounds), describeAccess(rounds), after)
	}
	if o.Saw.Zombies == nil {
		return suite.CannotTell("the zombies after the rounds", "nobody looked")
	}
	for _, zombie := range zombiesIn(after) {
		if slices.Contains(*o.Saw.Zombies, zombie) {
			return suite.Violation("no zombie stays", fmt.Sprintf("PID %s does", zombie), after)
		}
	}
	for _, child := range before.All(carrying(o, "child")) {
		if p, ok := after.Process(child.PID); ok && isSame(before, child, after, p) {
			return suite.Violation("the children of the first probes are gone", fmt.Sprintf("PID %s is there", child.Identity()), after)
		}
	}
	return nothingRestarted(o)
}
