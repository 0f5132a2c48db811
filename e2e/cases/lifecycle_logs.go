package cases

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// What the containers printed, while one of them was killed.

// writeLog has the killer write a line of its own into the bystander's log.
func writeLog(ctx context.Context, pod suite.PodClient) error {
	o := pod.Before()
	bystander, _ := o.Container("killer").Find(firstOf(o, "bystander"))
	written := "written" + probe.RandomHex(10)
	pod.Note(func(saw *suite.Saw) { saw.Written = written })
	_, err := pod.Exec(ctx, "write", "killer", "sh", "-c", `echo "$1" >"/proc/$2/fd/1"`, "write", written, strconv.Itoa(bystander.PID))
	return err
}

// readLogs reads what the containers printed, the victim's once for each of its instances
// where there is another one.
func readLogs(ctx context.Context, pod suite.PodClient, again bool) error {
	o := pod.Before()
	want := o.Saw.Written
	if r, ran := o.Ran["write"]; !ran || r.Code != 0 {
		want = o.Markers["bystander-line"]
	}
	err := errors.Join(
		awaitLog(ctx, pod, "bystander", "bystander", false, want),
		awaitLog(ctx, pod, "killer", "killer", false, o.Markers["killer-line"]),
	)
	if !again {
		return err
	}
	return errors.Join(err,
		awaitLog(ctx, pod, "victim before", "victim", true, o.Markers["victim-line"]),
		awaitLog(ctx, pod, "victim", "victim", false, o.Markers["victim-line"]),
	)
}

// logsStayedApart compares whole logs: each container prints one line, and the
// victim's tells which of its instances printed it.
func logsStayedApart(o suite.Observation) error {
	if err := restartedOnce(o, "victim", 137, "Error"); err != nil {
		return err
	}
	was, err := ownFirst(o, "victim")
	if err != nil {
		return err
	}
	is, ok := o.AfterIn("victim").Find(firstOf(o, "victim"))
	if !ok {
		return suite.CannotTell("the restarted container sees its own first process", "it does not", o.AfterIn("victim"))
	}
	line := func(container string) string { return o.Markers[container+"-line"] }
	if why := o.Unread["victim before"]; why != "" {
		return suite.CannotTell("the log of the instance that was killed", why)
	}
	before := "victim before"
	if previousLogRemoved(o) {
		before = "victim while it ran"
	}
	for _, log := range []struct{ name, want string }{
		{before, fmt.Sprintf("%s from PID %d\n", line("victim"), was.PID)},
		{"victim", fmt.Sprintf("%s from PID %d\n", line("victim"), is.PID)},
		{"bystander", line("bystander") + "\n"},
		{"killer", line("killer") + "\n"},
	} {
		got, err := o.Log(log.name)
		if err != nil {
			return err
		}
		// What the killer wrote into it is another case's concern.
		if written := o.Saw.Written; written != "" && log.name == "bystander" {
			got = strings.ReplaceAll(got, written+"\n", "")
		}
		if got != log.want {
			return suite.Violation(fmt.Sprintf("the log of %s is %q", log.name, log.want), fmt.Sprintf("%q", got))
		}
	}
	return nil
}

// previousLogRemoved tells whether there was no previous log to be had: kubelet said in its
// place, or as an error, that the runtime does not have the container any more. Its garbage
// collection takes the log as it takes the status (see forgotten), or it is configured to
// keep no dead container. The namespace has no part in either.
func previousLogRemoved(o suite.Observation) bool {
	log, had := o.Logs["victim before"]
	return !had || strings.HasPrefix(log, "unable to retrieve container logs for ")
}

func siblingWroteLog(o suite.Observation) error {
	written := o.Saw.Written
	if _, ok := o.Container("killer").Find(firstOf(o, "bystander")); !ok {
		if _, err := ownFirst(o, "killer"); err != nil {
			return err
		}
		return suite.Violation("the killer sees the bystander's first process", "it does not", o.Container("killer"))
	}
	if _, err := o.Log("bystander"); err != nil {
		return err
	}
	if written == "" {
		return suite.CannotTell("the killer tries to write into the log", "it did not")
	}
	if write, tried := o.Ran["write"]; tried && !write.Ran() {
		return suite.CannotTell("the killer runs the command that writes", write.String(), o.Container("killer"))
	}
	for name, log := range o.Logs {
		want := 0
		if name == "bystander" {
			want = 1
		}
		if got := strings.Count(log, written); got != want {
			return suite.Violation(fmt.Sprintf("the written line stands %d times in the log of %s", want, name), fmt.Sprintf("%d times: %q; %s", got, log, o.Ran["write"]), o.Container("killer"))
		}
	}
	return nil
}
