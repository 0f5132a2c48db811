package cases

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"procns/e2e/internal/suite"
)

// Containers that write down the signals that they receive.

// The pod of receivers and a sender, and the files in which they keep what they
// received and sent.
const (
	signalling         = "signals.yaml"
	signallingIsolated = "signals-isolated.yaml"
	received           = "/tmp/received"
	sent               = "/sent"
)

var (
	receivers = []string{"by-exec", "by-main", "stopped"}
	// trapped are the signals that the receivers have a handler for.
	trapped = []string{"HUP", "INT", "USR1", "USR2", "TERM", "WINCH"}
)

// listening is the precondition that the containers have set their traps: a signal that comes sooner
// does what it does by default, and ends them.
func listening(names ...string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		var missing error
		for _, name := range names {
			if own := o.Container(name).Files[received]; !own.OK() || own.Text != "" {
				missing = errors.Join(missing, suite.CannotTell("container "+name+" has set its traps and received nothing yet", describeAccess(own), o.Container(name)))
			}
		}
		return missing
	}
}

// wroteDown demands that a receiver, still the same process, wrote down these
// signals once each, in whatever order, and no other.
func wroteDown(o suite.Observation, receiver string, signals ...string) error {
	was, err := ownProcess(o, receiver, receiver)
	if err != nil {
		return err
	}
	after := o.AfterIn(receiver)
	if !shows(after, was) {
		return suite.Violation(fmt.Sprintf("container %s's process stays %s", receiver, was.Identity()), "it is gone", o.Container(receiver), after)
	}
	own := after.Files[received]
	if !own.OK() {
		return suite.CannotTell("what container "+receiver+" received", describeAccess(own), after)
	}
	var want []string
	for _, name := range signals {
		want = append(want, o.Markers[receiver]+" "+name)
	}
	got := strings.FieldsFunc(own.Text, func(r rune) bool { return r == '\n' })
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		expected := "no signal"
		if len(signals) > 0 {
			expected = strings.Join(signals, ", ") + ", each once"
		}
		return suite.Violation(fmt.Sprintf("container %s receives %s", receiver, expected), fmt.Sprintf("it wrote down %q", own.Text), after)
	}
	return nil
}

func receivedNothing(o suite.Observation, containers []string) error {
	for _, name := range containers {
		if err := wroteDown(o, name); err != nil {
			return err
		}
	}
	return nil
}
