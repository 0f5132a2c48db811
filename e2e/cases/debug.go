package cases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// debugCases state what the tools of debugging find: copies of a pod, as kubectl
// debug makes them, and a shell that is attached to more than once.
func debugCases() []suite.Case {
	const copies = "Kubernetes documentation, “Debug Running Pods”, Debugging using a copy of the Pod; kubectl debug --share-processes"
	const attached = onConfiguring + ", step 2 (kubectl attach); "
	return []suite.Case{
		{
			ID:      "debug/copy-shares",
			Level:   suite.Extended,
			Claim:   "A copy such as kubectl debug makes with --copy-to and --share-processes shares its process namespace, although the original does not.",
			Source:  copies,
			Fixture: markersIsolated,
			Control: markers,
			Act:     copyReversed,
			Judge:   copyShares,
		},
		{
			ID:      "debug/copy-does-not-share",
			Level:   suite.Extended,
			Claim:   "A copy such as kubectl debug makes with --copy-to and --share-processes=false does not share its process namespace, although the original does.",
			Source:  copies,
			Fixture: markers,
			Control: markersIsolated,
			Act:     copyReversed,
			Judge:   copyDoesNotShare,
		},
		{
			ID:           "debug/attach-again",
			Experiments:  []string{byAnswering},
			Level:        suite.Extended,
			Claim:        "Detaching leaves the shell running: attached again, the same process answers, which is the one that nginx's container sees.",
			Source:       attached + "API reference, Container.stdin and stdinOnce",
			Fixture:      documented,
			Control:      isolated,
			Precondition: nginxServing,
			Act:          attachAgain,
			Judge:        sameShellAnswers,
			Records:      "the shell's PID",
			Record:       func(o suite.Observation) string { return "the shell is PID " + o.Saw.Shell.First.String() },
		},
		{
			ID:           "debug/new-size-reaches-the-shell",
			Experiments:  []string{byResizing},
			Level:        suite.Extended,
			Claim:        "The shell that is attached to has a terminal of the size that the client tells, and of the new one when the client's changes.",
			Source:       attached + "API reference, Container.tty; CRI, Attach (the resize stream)",
			Fixture:      documented,
			NoControl:    "a terminal's size does not depend on the process namespace; instead two sizes are told, neither of which is the first, and the shell must name both",
			Precondition: nginxServing,
			Act:          attachAgain,
			Judge:        sizesArrived,
		},
		{
			ID:           "debug/exit-gives-a-new-shell",
			Experiments:  []string{byExiting},
			Level:        suite.Extended,
			Claim:        "Typing exit ends the shell container with code 0; kubelet starts it again in the same namespace, where nginx's container sees the new shell.",
			Source:       attached + "Kubernetes documentation, “Pod Lifecycle”, Container restart policy",
			Fixture:      documented,
			Control:      isolated,
			Precondition: nginxServing,
			Act:          attachAgain,
			Judge:        newShellSeen,
		},
	}
}

// copyReversed makes a copy in which the field says the opposite.
var copyReversed = &suite.Act{
	Name:   "copy",
	Ends:   true, // the original stays as it was
	Spares: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		return pod.Copy(ctx, "reversed", pod.Before().Pod.Sharing != "true")
	},
}

// reversed is the observation of the copy.
func reversed(o suite.Observation, sharing string) (suite.Observation, error) {
	made, ok := o.Copies["reversed"]
	if !ok {
		return made, suite.CannotTell("a copy of the pod", "there is none")
	}
	if made.Pod.Sharing != sharing {
		return made, suite.Violation("the copy is stored with shareProcessNamespace "+sharing, "it is stored with "+made.Pod.Sharing)
	}
	return made, nil
}

// Both judges look at the original first: a copy of a pod that is like it anyway
// proves nothing about the flag.

func copyShares(o suite.Observation) error {
	if err := eachAlone(o); err != nil {
		return err
	}
	made, err := reversed(o, "true")
	if err != nil {
		return err
	}
	for _, judge := range []func(suite.Observation) error{everyPairVisible, onePIDNamespace, firstProcessesAreNotPID1} {
		if err := judge(made); err != nil {
			return err
		}
	}
	names, err := marked(made)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := markedProcess(made, name, name, suite.DebugContainer); err != nil {
			return err
		}
	}
	return nil
}

func copyDoesNotShare(o suite.Observation) error {
	if err := everyPairVisible(o); err != nil {
		return err
	}
	made, err := reversed(o, "false")
	if err != nil {
		return err
	}
	if err := eachAlone(made); err != nil {
		return err
	}
	names, err := marked(made)
	if err != nil {
		return err
	}
	if s := made.Container(suite.DebugContainer); s.Failure != "" {
		return suite.CannotTell("what the container for debugging sees", s.Failure)
	}
	return seesNone(made, suite.DebugContainer, names...)
}

// attachAgain talks to the shell twice, with a detachment between, tells it the sizes of its
// terminal the third time, and ends it the fourth.
var attachAgain = &suite.Act{
	Name:    "attach-again",
	Within:  comeback,
	Follows: hangUpPID1, // whatever it did, it did to nginx
	Do: func(ctx context.Context, pod suite.PodClient) error {
		for _, experiment := range []struct {
			name     string
			converse func(*probe.Terminal) error
		}{
			{byAnswering, func(t *probe.Terminal) error {
				who, err := askShell(t)
				pod.Note(func(saw *suite.Saw) { saw.Shell.First = who })
				return err
			}},
			{byAnswering, func(t *probe.Terminal) error {
				who, err := askShell(t)
				pod.Note(func(saw *suite.Saw) { saw.Shell.Second = who })
				return err
			}},
			{byResizing, func(t *probe.Terminal) error { return tellSizes(ctx, t, pod) }},
			{byExiting, exitShell},
		} {
			attach := func(ctx context.Context) error { return pod.Attach(ctx, "shell", experiment.converse) }
			if err := pod.Apart(ctx, experiment.name, attach); err != nil {
				return err
			}
		}
		if pod.Before().Saw.Undone[byExiting] != "" {
			return nil
		}
		_, err := pod.Await(ctx, comeback, "running its new shell", startedAgain(pod.Before().Pod, 1, "shell"))
		return err
	},
}

// exitShell ends a shell: the terminal closes with it.
func exitShell(t *probe.Terminal) error {
	if err := t.Type("exit\n"); err != nil {
		return err
	}
	if shown, err := t.Await(0, reply, "end of the shell", func(string) bool { return false }); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after exit the terminal is open, and showed %q: %w", shown, err)
	}
	return nil
}

// askShell has a shell print its own line of stat, and returns its PID and start
// time. The dollar keeps the typed line, which the terminal shows as well, apart.
func askShell(t *probe.Terminal) (probe.Identity, error) {
	if err := t.Type("echo \"I am $(cat /proc/$$/stat).\"\n"); err != nil {
		return probe.Identity{}, err
	}
	answer := regexp.MustCompile(`I am ([0-9]+ \([^\n]*)\.\n`)
	shown, err := t.Await(0, reply, "answer of the shell", answer.MatchString)
	if err != nil {
		return probe.Identity{}, err
	}
	p, err := probe.ParseStat(answer.FindStringSubmatch(shown)[1])
	return p.Identity(), err
}

// toldSizes are the terminal's sizes that the shell is told one after the other.
var toldSizes = []probe.Size{{Columns: 101, Rows: 41}, {Columns: 77, Rows: 23}}

// tellSizes notes what the shell says of its terminal's size after each was told.
func tellSizes(ctx context.Context, t *probe.Terminal, pod suite.PodClient) error {
	answer := regexp.MustCompile(`size=([0-9 ]*)\.\n`)
	for _, size := range toldSizes {
		if err := t.Resize(size); err != nil {
			return err
		}
		// Nobody is told that a size has arrived: the shell is asked until it has.
		err := pace.Persist(ctx, reply, func() (bool, error) {
			since := len(t.Screen())
			if err := t.Type("echo \"size=$(stty size).\"\n"); err != nil {
				return false, err
			}
			shown, err := t.Await(since, reply, "answer of the shell", answer.MatchString)
			if err != nil {
				return false, err
			}
			says := answer.FindStringSubmatch(shown)[1]
			pod.Note(func(saw *suite.Saw) { keep(&saw.Shell.Sizes, size.String(), says) })
			return says == size.String(), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func sizesArrived(o suite.Observation) error {
	for _, size := range toldSizes {
		says, ok := o.Saw.Shell.Sizes[size.String()]
		if !ok {
			return suite.CannotTell("the shell's answer to stty size", "none")
		}
		if says != size.String() {
			return suite.Violation("stty size prints the rows and columns that were told, "+size.String(), fmt.Sprintf("it prints %q", says))
		}
	}
	return nil
}

// shellIn is the first process of the container shell, which has its parent
// outside, as the named container sees it.
func shellIn(s *probe.Snapshot) (probe.Process, bool) {
	return firstRunning(s, "sh")
}

func sameShellAnswers(o suite.Observation) error {
	shell, nginx := o.Container("shell"), o.Container("nginx")
	own, ok := shellIn(shell)
	if !ok {
		return suite.CannotTell("the shell in its own container", "none", shell)
	}
	first, second := o.Saw.Shell.First, o.Saw.Shell.Second
	if first == (probe.Identity{}) || second == (probe.Identity{}) {
		return suite.CannotTell("the shell answers both times", fmt.Sprintf("it answered as PID %s and PID %s", first, second))
	}
	if first != own.Identity() || second != first {
		return suite.Violation("the shell, PID "+own.Identity().String()+", answers both times",
			"there answered PID "+first.String()+" and, attached again, PID "+second.String(), shell)
	}
	if !shows(nginx, own) {
		return suite.Violation("nginx's container sees the shell that answers, PID "+own.Identity().String(), "it does not", nginx, shell)
	}
	return nil
}

func newShellSeen(o suite.Observation) error {
	old, ok := shellIn(o.Container("shell"))
	if !ok {
		return suite.CannotTell("the shell in its own container", "none", o.Container("shell"))
	}
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after exit", "none")
	}
	is := o.AfterPod.Containers["shell"]
	if err := endKnown(is, "shell"); err != nil {
		return err
	}
	if err := restartedTimes(o, "shell", 1); err != nil {
		return err
	}
	if is.ExitCode == nil || *is.ExitCode != 0 {
		return suite.Violation("the shell container ended with code 0", describeEnd(is))
	}
	shell, nginx := o.AfterIn("shell"), o.AfterIn("nginx")
	now, ok := shellIn(shell)
	if !ok {
		return suite.CannotTell("the new shell in its own container", "none", shell)
	}
	if isSame(o.Container("shell"), old, shell, now) {
		return suite.Violation("another shell than PID "+old.Identity().String(), "it is the same", shell)
	}
	if !shows(nginx, now) {
		return suite.Violation("nginx's container sees the new shell, PID "+now.Identity().String(), "it does not", nginx, shell)
	}
	if seen, ok := nginx.Process(old.PID); ok && isSame(o.Container("nginx"), old, nginx, seen) {
		return suite.Violation("the old shell, PID "+old.Identity().String()+", is gone", "nginx's container sees it, in state "+seen.State, nginx)
	}
	if err := sameNamespace(o.Container("nginx"), shell); err != nil {
		return err
	}
	// nginx itself must not have noticed.
	return workersUntouched(o)
}
