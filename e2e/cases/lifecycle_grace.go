package cases

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// The pod is being deleted, and a container is entered in its grace period.

const (
	// drainGrace is lifecycle-grace.yaml's grace period, in seconds.
	drainGrace = 90
	// answerInGrace is how long the drainer has to answer, and siblingInGrace how long its sibling has then, which is clearly
	// sooner. Both are over before the grace period is, so that an exec which is not answered is told from one that came too late.
	answerInGrace, siblingInGrace = 45 * time.Second, 15 * time.Second
)

func graceCases() []suite.Case {
	return []suite.Case{{
		ID:      "lifecycle/exec-in-the-grace-period",
		Level:   suite.Extended,
		Claim:   "An exec into a container that has been told to end joins the pod's PID namespace, as its sibling sees, and ends with the container, of which nothing is left.",
		Source:  kubeletStops + "; " + apiReference + "; cri-o#7160 (it was not answered)",
		Fixture: "lifecycle-grace.yaml",
		Control: "lifecycle-grace-isolated.yaml",
		Precondition: func(o suite.Observation) error {
			_, errDrainer := ownFirst(o, "drainer")
			_, errSibling := ownFirst(o, "sibling")
			return errors.Join(errDrainer, errSibling)
		},
		Act:   execInGrace,
		Judge: execInGraceJoined,
	}}
}

// execInGrace requests the pod's deletion, opens a session in the drainer when that says that
// it was told to end, and then lets first the drainer and then its sibling come to their ends.
var execInGrace = &suite.Act{
	Name: "exec-in-grace",
	Ends: true, ExecWithin: sessionsLast,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		asked, err := pod.Request(ctx, "delete", suite.Request{
			Verb: "DELETE", Path: "pods/" + pod.Before().Pod.Name, Body: []byte(`{"gracePeriodSeconds":` + strconv.Itoa(drainGrace) + `}`),
			Keep: func(string) string { return "" }, // it is the pod
		})
		if err != nil || !asked.Accepted() {
			return err
		}
		if err := enterInGrace(ctx, pod); err != nil {
			return err
		}
		return pod.Delete(ctx, drainGrace, drainGrace*time.Second+comeback)
	},
}

func enterInGrace(ctx context.Context, pod suite.PodClient) error {
	if err := awaitLog(ctx, pod, "drainer", "drainer", false, pod.Before().Markers["terminated"]); err != nil {
		return err
	}
	looking, end := deadline(ctx, "drainer", answerInGrace)
	defer end()
	open, err := openSessionWhile(ctx, looking, pod, "session", "drainer")
	var late *probe.DeadlineError
	if errors.As(err, &late) {
		return noteUnanswered(ctx, pod, late) // the grace period ends all
	}
	if err != nil {
		return err
	}
	defer open.giveUp()
	if _, _, err := open.noteSeenFrom(ctx, pod, "sibling"); err != nil {
		return err
	}
	const done = ": >/tmp/done"
	if _, err := pod.Exec(ctx, "drainer done", "drainer", "sh", "-c", done); err != nil {
		return err
	}
	if err := open.noteEnd(pod, comeback); err != nil {
		return err
	}
	own, _ := pod.Before().Container("drainer").Find(firstOf(pod.Before(), "drainer"))
	if err := noteLeftovers(ctx, pod, "sibling", []probe.Process{own, open.process}); err != nil {
		return err
	}
	_, err = pod.Exec(ctx, "sibling done", "sibling", "sh", "-c", done)
	return err
}

// noteUnanswered notes that the drainer did not answer, if its sibling does: else the node answers nobody.
func noteUnanswered(ctx context.Context, pod suite.PodClient, late error) error {
	looking, end := deadline(ctx, "sibling", siblingInGrace)
	defer end()
	seen, err := pod.Observe(looking, "sibling")
	if err == nil && seen.Failure != "" {
		err = errors.New(seen.Failure)
	}
	if err != nil {
		return fmt.Errorf("%w; and its sibling did not answer either: %w", late, err)
	}
	pod.Note(func(saw *suite.Saw) { saw.Unanswered = late.Error() })
	return nil
}

// deadline gives a look into a container less time than an exec usually has.
func deadline(ctx context.Context, container string, within time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, within, &probe.DeadlineError{What: "exec in container " + container, Within: within})
}

func execInGraceJoined(o suite.Observation) error {
	drainer, sibling := o.Container("drainer"), o.Container("sibling")
	if _, err := ownFirst(o, "drainer"); err != nil {
		return err
	}
	if asked, sent := o.Answers["delete"]; !sent || !asked.Accepted() {
		return suite.CannotTell("the server takes the request to delete the pod", asked.String())
	}
	log, err := o.Log("drainer")
	if err != nil {
		return err
	}
	if told := o.Markers["terminated"]; told == "" || log != told+"\n" {
		return suite.CannotTell("the drainer says once that it was told to end", fmt.Sprintf("%q", log), drainer)
	}
	if why := o.Saw.Unanswered; why != "" {
		return suite.Violation("an exec into a container that has been told to end, and runs, is answered", why, drainer)
	}
	if _, err := sessionSeen(o, "session", "drainer", "sibling"); err != nil {
		return err
	}
	if seen := o.Saw.Sessions["session"].From["sibling"]; seen.PPID != 0 {
		return suite.Violation("the session's process has its parent outside the namespace, PPID 0", fmt.Sprintf("PPID %d", seen.PPID), drainer, sibling)
	}
	// Where it was not told, it is killed when the grace period is over.
	if done, tried := o.Ran["drainer done"]; tried && (!done.Ran() || done.Code != 0) {
		return suite.CannotTell("the drainer is told that its work is done", done.String(), drainer)
	}
	if err := sessionEnded137(o, "session", "the session ends with exit code 137 when its container has ended"); err != nil {
		return err
	}
	if err := nothingLeftOver(o, "sibling"); err != nil {
		return err
	}
	if o.Deletion == nil {
		return suite.CannotTell("how the pod was deleted", "it is not known")
	}
	if !o.Deletion.Gone {
		return suite.Violation("the pod goes when its containers have ended", fmt.Sprintf("it is there %.0f s later", o.Deletion.Seconds))
	}
	return lastEndedWith(o, "drainer", 0, "Completed")
}
