package cases

import (
	"fmt"
	"strings"

	"procns/e2e/internal/suite"
)

// The judges of admission: what the API server answered.

// accepted demands that the server accepted a request, and returned the field
// with the given value.
func accepted(o suite.Observation, name, value string) error { return acceptedAt("", o, name, value) }

// acceptedAt is accepted in a namespace that enforces a level of Pod Security,
// whose refusal is an answer there.
func acceptedAt(level string, o suite.Observation, name, value string) error {
	answer := o.Answers[name]
	expected := fmt.Sprintf("the request “%s” is accepted, and returns the field as %s", name, value)
	switch {
	case level != "" && answer.Doubt != "":
		return suite.CannotTell(expected, answer.Doubt)
	case answer.Accepted() && answer.Sharing == "", !answer.Accepted() && !decisive(level, answer):
		return suite.CannotTell(expected, answer.String())
	case !answer.Accepted() || answer.Sharing != value:
		return suite.Violation(expected, answer.String())
	}
	return nil
}

// refused demands that the server refused a request by rules of its own, with a
// message that holds all of the words.
func refused(o suite.Observation, name string, words ...string) error {
	return refusedAt("", o, name, words...)
}

// refusedAt demands that Pod Security refused a request at this level, with such
// a message; without a level, the server's own rules.
func refusedAt(level string, o suite.Observation, name string, words ...string) error {
	answer := o.Answers[name]
	expected := fmt.Sprintf("the request “%s” is refused: %s", name, strings.Join(words, ", "))
	if level != "" && answer.Doubt != "" {
		return suite.CannotTell(expected, answer.Doubt)
	}
	if !answer.Accepted() && !decisive(level, answer) {
		return suite.CannotTell(expected, answer.String())
	}
	for _, word := range words {
		if answer.Accepted() || !strings.Contains(strings.ToLower(answer.Message), strings.ToLower(word)) {
			return suite.Violation(expected, answer.String())
		}
	}
	return nil
}

// decisive tells whether a refusal says something about the claim: whether the
// server's own rules made it, or Pod Security at the level that is under test. That
// anybody else objects (a policy, a webhook, a quota, the authorizer) says nothing.
func decisive(level string, a suite.Answer) bool {
	refusal := a.Refusal()
	return refusal.Own() || level != "" && refusal.By == suite.ByPodSecurity && refusal.Name == level
}

// undecodable demands that the server could not read the field's value.
func undecodable(o suite.Observation, name string) error {
	if err := refused(o, name, fieldName); err != nil {
		return err
	}
	if answer := o.Answers[name]; answer.Refusal().By != suite.ByDecoding {
		return suite.Violation("the value cannot be decoded", answer.String())
	}
	return nil
}

// lostInstead demands that the pod as it should be written has the field, and the
// pod as it was written for the named request has not.
func lostInstead(o suite.Observation, name string) error {
	if err := accepted(o, "create", "true"); err != nil {
		return err
	}
	return accepted(o, name, "absent")
}

// unchanged demands that the server refused the named updates of the field while
// it accepted the witness, and that the pod is what it was.
func unchanged(value, witness string, updates ...string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if answer := o.Answers[witness]; !answer.Accepted() {
			return suite.CannotTell("an update that is allowed ("+witness+") arrives at the pod", answer.String())
		}
		for _, name := range updates {
			if err := refused(o, name, notUpdatable); err != nil {
				return err
			}
		}
		if err := accepted(o, witness, value); err != nil {
			return err
		}
		return sameNamespaces(o)
	}
}

// ineffective demands that a write to a subresource left the field as it was.
// Whether the server drops the change or refuses it does not matter.
func ineffective(name string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if answer := o.Answers[name]; !answer.Accepted() && !decisive("", answer) {
			return suite.CannotTell("an answer to the request “"+name+"”", answer.String())
		}
		if o.Answers[name].Accepted() {
			if err := accepted(o, name, "true"); err != nil {
				return err
			}
		}
		if err := accepted(o, "label", "true"); err != nil {
			return err
		}
		return sameNamespaces(o)
	}
}

func referenceSaysIt(o suite.Observation) error {
	answer := o.Answers["reference"]
	if !answer.Accepted() {
		return suite.CannotTell("the server's OpenAPI document", answer.String())
	}
	for _, words := range []string{"will not be assigned PID 1", "cannot both be set"} {
		if !strings.Contains(answer.Body, words) {
			return suite.Violation("the field's text says that it "+words, fmt.Sprintf("%q", answer.Body))
		}
	}
	return nil
}
