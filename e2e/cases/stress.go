package cases

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// stressCases state that load does not wedge a shared pod.
func stressCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:          "stress/execs-at-once",
			Experiments: []string{byExecs},
			Level:       suite.Extended,
			Claim:       fmt.Sprintf("%d execs at one time come back, and each sees the first process of the next container.", execsAtOnce),
			Source:      onPurpose + "; containerd#10603 (execs hung)",
			Judge:       execsCameBack,
			Records:     "how long the execs took together",
			Record: func(o suite.Observation) string {
				return fmt.Sprintf("%d execs at one time took %s together", execsAtOnce, o.Saw.Load.ExecsTook)
			},
		},
		{
			ID:          "stress/sessions-end-at-once",
			Experiments: []string{bySession, byKilling},
			Level:       suite.Extended,
			Claim:       fmt.Sprintf("%d exec sessions all end when the first processes of their containers are killed at one time, one of them for lack of memory.", sessionsAtOnce),
			Source:      kep495 + "; containerd#13814 (the pod hung for minutes)",
			Judge:       ifSent("killer", "kill 1", sessionsCameBack),
		},
		{
			ID:          "stress/rapid-restarts",
			Experiments: []string{byKilling},
			Level:       suite.Extended,
			Claim:       "Containers that are killed all at one time, twice in a row, are started again as often; the one that is not killed and PID 1 stay, and all see each other.",
			Source:      kubeletRestarts + "; containerd#10603 (containers were reported as running for ever)",
			Judge:       ifSent("killer", "kill 1", ifSent("killer", "kill 2", restartedTwiceEach)),
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "stress.yaml", "stress-isolated.yaml"
		cases[i].Precondition, cases[i].Act = stressGiven, storm
	}
	return cases
}

const (
	execsAtOnce = 42
	// sessionsAtOnce is more than the 32 exits that the runtime's queue held.
	sessionsAtOnce = 42
)

// stressed are the containers that are killed.
var stressed = []string{"one", "two", "three", "four", "five", "hungry"}

func stressGiven(o suite.Observation) error {
	for name := range o.Markers {
		if _, err := ownFirst(o, name); err != nil {
			return err
		}
	}
	first, err := ownFirst(o, "hungry")
	if err != nil {
		return err
	}
	if own := o.Container("hungry"); len(family(own, first)) < 2 {
		return suite.CannotTell("container hungry has come to its loop", "it has no child", own)
	}
	return nil
}

// storm is the load: execs, sessions that end together, and two rounds of kills.
var storm = &suite.Act{
	Name:   "storm",
	Within: comeback, ExecWithin: sessionsLast,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		if err := pod.Apart(ctx, byExecs, func(ctx context.Context) error { return execAtOnce(ctx, pod) }); err != nil {
			return err
		}
		o := pod.Before()
		if _, seen := o.Container("killer").Find(firstOf(o, "one")); !seen {
			return nil // the judges say that the killer cannot reach them
		}
		var sessions []*session
		opening := func(ctx context.Context) (err error) {
			sessions, err = openSessions(ctx, pod)
			return err
		}
		err := pod.Apart(ctx, bySession, opening)
		for _, s := range sessions {
			defer s.giveUp()
		}
		if err != nil {
			return err
		}
		return pod.Apart(ctx, byKilling, func(ctx context.Context) error {
			if refused, err := killStressed(ctx, pod, 1); err != nil || refused {
				return err
			}
			if err := pod.Apart(ctx, bySession, func(context.Context) error { return endSessions(pod, sessions) }); err != nil {
				return err
			}
			if back, err := pod.Await(ctx, comeback, "running again", startedAgain(o.Pod, 1, stressed...)); err != nil || !back {
				return err
			}
			if refused, err := killStressed(ctx, pod, 2); err != nil || refused {
				return err
			}
			_, err := pod.Await(ctx, comeback, "running again", startedAgain(o.Pod, 2, stressed...))
			return err
		})
	},
}

// endSessions waits for all sessions together, and notes how many ended of themselves. On a slow node all of them
// take their time: they hang when none has ended for long.
func endSessions(pod suite.PodClient, sessions []*session) error {
	over := make(chan struct{}, len(sessions))
	for _, s := range sessions {
		go func() {
			<-s.done
			over <- struct{}{}
		}()
	}
	for waiting := len(sessions); waiting > 0; waiting-- {
		select {
		case <-over:
		case <-time.After(comeback):
			waiting = 0
		}
	}
	ended := 0
	for _, s := range sessions {
		over, err := s.end(0)
		if err != nil {
			return err
		}
		if over {
			ended++
		}
	}
	pod.Note(func(saw *suite.Saw) { saw.Load.SessionsEnded = &ended })
	return nil
}

// execAtOnce has each container look at the next one's first process, many times
// at one time. Where one does not see the next there is nothing to look at, and the judge says so.
// On a slow node all of them take their time: they hang when none has come back for long.
func execAtOnce(ctx context.Context, pod suite.PodClient) error {
	o := pod.Before()
	since := time.Now()
	var wg sync.WaitGroup
	errs := make(chan error, execsAtOnce)
	running, giveUp := context.WithCancel(ctx)
	defer giveUp()
	hang := time.AfterFunc(comeback, giveUp)
	defer hang.Stop()
	for i := range execsAtOnce {
		in, of := execPair(i)
		next, seen := o.Container(in).Find(firstOf(o, of))
		if !seen {
			continue
		}
		wg.Go(func() {
			_, err := pod.Exec(running, execName(i), in, "cat", fmt.Sprintf("/proc/%d/cmdline", next.PID))
			hung := running.Err() != nil && ctx.Err() == nil
			if !hung {
				hang.Reset(comeback)
			}
			if err != nil && !hung {
				errs <- err
			}
		})
	}
	wg.Wait()
	took := time.Since(since).Round(time.Millisecond)
	pod.Note(func(saw *suite.Saw) { saw.Load.ExecsTook = took })
	select {
	case err := <-errs:
		return err
	default:
		return nil // what did not come back has a failure in the record
	}
}

// execPair says in which container the i-th exec is, and whose process it looks at.
func execPair(i int) (in, of string) {
	return stressed[i%len(stressed)], stressed[(i+1)%len(stressed)]
}

func execName(i int) string { return fmt.Sprintf("exec %d", i) }

// openSessions opens the sessions all at one time, and returns when the killer
// sees each one's process.
func openSessions(ctx context.Context, pod suite.PodClient) ([]*session, error) {
	var sessions []*session
	for i := range sessionsAtOnce {
		sessions = append(sessions, startSession(ctx, pod, sessionName(i), stressed[i%len(stressed)]))
	}
	seen := 0
	_, err := lookUntil(ctx, pod, "killer", comeback, func(from *probe.Snapshot) bool {
		seen = 0
		for _, s := range sessions {
			if _, ok := from.Find(s.is()); ok {
				seen++
			}
		}
		return seen == len(sessions)
	})
	pod.Note(func(saw *suite.Saw) { saw.Load.SessionsSeen = &seen })
	return sessions, err
}

func sessionName(i int) string { return fmt.Sprintf("session %d", i) }

// killStressed ends the first process of each container, once the killer sees
// all of them, and waits until they run again. The second time, kubelet lets ten
// seconds pass before it starts them. A round that was refused is the last.
func killStressed(ctx context.Context, pod suite.PodClient, round int) (refused bool, err error) {
	first := map[string]probe.Process{}
	_, err = lookUntil(ctx, pod, "killer", comeback, func(from *probe.Snapshot) bool {
		all := true
		for _, name := range stressed {
			p, ok := from.Find(firstOf(pod.Before(), name))
			first[name] = p
			all = all && ok
		}
		return all
	})
	if err != nil {
		return false, err
	}
	command := []string{"sh", "-c", `kill -USR1 "$1" || exit; shift; kill -KILL "$@"`, "kill", strconv.Itoa(first["hungry"].PID)}
	for _, name := range stressed {
		if p := first[name]; name != "hungry" && p.PID != 0 {
			command = append(command, strconv.Itoa(p.PID))
		}
	}
	kill, err := pod.Exec(ctx, fmt.Sprintf("kill %d", round), "killer", command...)
	return wasRefused(kill), err
}

func execsCameBack(o suite.Observation) error {
	for i := range execsAtOnce {
		in, of := execPair(i)
		if _, err := ownFirst(o, of); err != nil {
			return err
		}
		if _, seen := o.Container(in).Find(firstOf(o, of)); !seen {
			return suite.Violation(fmt.Sprintf("container %s sees the first process of container %s", in, of), "it does not", o.Container(in), o.Container(of))
		}
		r, ok := o.Ran[execName(i)]
		if !ok {
			return suite.CannotTell("what became of the execs", "nothing was recorded")
		}
		if want := o.Markers[of]; r.Code != 0 || !r.Ran() || !withArgument(want)(probe.Process{Argv: argumentsOf(r.Stdout)}) {
			return suite.Violation(fmt.Sprintf("an exec in container %s comes back, no more than %s after another, and sees the first process of container %s", in, comeback, of),
				r.String(), o.Container(in), o.Container(of))
		}
	}
	return nil
}

// argumentsOf are the arguments in the text of a /proc/PID/cmdline.
func argumentsOf(cmdline string) []string { return strings.Split(cmdline, "\x00") }

// killerSees is the witness against the control: there the killer has nobody to kill.
func killerSees(o suite.Observation) error {
	if _, err := ownFirst(o, "killer"); err != nil {
		return err
	}
	for _, name := range stressed {
		if _, ok := o.Container("killer").Find(firstOf(o, name)); !ok {
			return suite.Violation("the killer sees the first process of container "+name, "it does not", o.Container("killer"))
		}
	}
	return nil
}

func sessionsCameBack(o suite.Observation) error {
	if err := killerSees(o); err != nil {
		return err
	}
	seen, ended := o.Saw.Load.SessionsSeen, o.Saw.Load.SessionsEnded
	if seen == nil || ended == nil || *seen != sessionsAtOnce {
		observed := "it did not come to that"
		if seen != nil {
			observed = fmt.Sprintf("it sees %d", *seen)
		}
		return suite.CannotTell(fmt.Sprintf("the sibling sees the processes of %d sessions, and ends them", sessionsAtOnce), observed)
	}
	if *ended != sessionsAtOnce {
		return suite.Violation(fmt.Sprintf("all %d sessions end, none more than %s after another", sessionsAtOnce, comeback), fmt.Sprintf("%d did", *ended))
	}
	for i := range sessionsAtOnce {
		if r := o.Ran[sessionName(i)]; r.Code != 137 {
			return suite.Violation(fmt.Sprintf("session %d ends with exit code 137", i), r.String())
		}
	}
	return memoryLimited(o) // last: a session that hangs is a violation, however its container ended
}

func restartedTwiceEach(o suite.Observation) error {
	if err := killerSees(o); err != nil {
		return err
	}
	for _, name := range stressed {
		if err := restartedTimes(o, name, 2); err != nil {
			return err
		}
	}
	if err := spared(o, "killer"); err != nil {
		return err
	}
	return sharesNow(o, append([]string{"killer"}, stressed...)...)
}
