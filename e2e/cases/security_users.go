package cases

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// A pod that has a user namespace of its own.

// startedFile holds what the first command that is run in container two sees there, and
// mappedFile its user namespace and the mapping of user IDs.
const (
	startedFile = "/started"
	mappedFile  = "/mapped"
)

func userNamespaceCases() []suite.Case {
	const kep127 = "KEP-127, User namespaces; "
	cases := []suite.Case{
		{
			ID:          "security/user-namespace",
			Experiments: none(),
			Claim:       "In a pod with a user namespace of its own (hostUsers: false), the containers share one PID namespace and one mapping of users, in which root reads a sibling's environment and files.",
			Source:      kep127 + apiReference,
			Judge:       sharesInUserNamespace,
			Records:     "the mapping of user IDs",
			Record:      func(o suite.Observation) string { return "uid_map of both containers: " + o.Container("one").UIDMap },
		},
		{
			ID:          "security/user-namespace-exec-at-start",
			Experiments: none(),
			Claim:       "In such a pod, the first command that is run in a container, its postStart hook, has the container's mapping of users and sees the container that was started before.",
			Source:      kep127 + apiReference + "; Kubernetes documentation, Container Lifecycle Hooks",
			Judge:       firstCommandJoined,
		},
		{
			ID:          "security/user-namespace-signals-and-files",
			Experiments: []string{byKilling, byWriting},
			Claim:       "In such a pod, root signals a sibling's process, and what it writes through /proc/PID/root is a file of the sibling's that belongs to root there.",
			Source:      kep127 + apiReference + " (view and signal processes); " + onUnderstanding3,
			Judge:       reachedInUserNamespace,
		},
		{
			ID:          "security/user-namespace-ephemeral",
			Experiments: none(),
			Claim:       "In such a pod, an ephemeral container has the containers' mapping of users, sees their processes, and reads their environment and files.",
			Source:      kep127 + targetReference + " (without one: the namespaces of the Pod spec); KEP-277",
			Judge:       ephemeralInUserNamespace,
		},
	}
	for i := range cases {
		c := &cases[i]
		c.Level, c.MinVersion, c.Needs = suite.Extended, "1.33", userNamespacesAreThere
		c.Fixture, c.Control = "user-namespace.yaml", "user-namespace-isolated.yaml"
		c.Precondition, c.Act = userNamespaceReady, reachInUserNamespace
		c.Read = []string{"/file", received, fromSibling, startedFile, mappedFile}
	}
	return cases
}

func userNamespacesAreThere(t suite.Target) string {
	if t.UserNamespaces == "no" {
		return "the runtime of node " + t.Node + " has no user namespaces, as its status says (runtimeHandlers)"
	}
	return ""
}

// userNamespaceReady is the precondition that container one has written its file and set its trap.
func userNamespaceReady(o suite.Observation) error {
	return errors.Join(ownFileHolds("one", "/file", "file")(o), listening("one")(o))
}

// reachInUserNamespace has container two signal container one's process, and write into its
// filesystem.
var reachInUserNamespace = &suite.Act{
	Name:   "reach-in-user-namespace",
	Within: 30 * time.Second,
	Sees:   []string{"one"},
	Do: func(ctx context.Context, pod suite.PodClient) error {
		before := pod.Before()
		p, seen := before.Container("two").Find(carrying(before, "one"))
		if !seen {
			return nil // the judge says so
		}
		pid := strconv.Itoa(p.PID)
		signal := func(ctx context.Context) error {
			_, err := pod.Exec(ctx, "kill", "two", "sh", "-c", `kill -USR1 "$1"`, "kill", pid)
			return err
		}
		if err := pod.Apart(ctx, byKilling, signal); err != nil {
			return err
		}
		return pod.Apart(ctx, byWriting, func(ctx context.Context) error {
			written := "written" + probe.RandomHex(10)
			pod.Note(func(saw *suite.Saw) { saw.Written = written })
			if _, err := pod.Exec(ctx, "write", "two", "sh", "-c", `printf %s "$2" >"/proc/$1/root`+fromSibling+`"`, "write", pid, written); err != nil {
				return err
			}
			_, err := pod.Exec(ctx, "owner", "one", "stat", "-c", "%u:%g", fromSibling)
			return err
		})
	},
}

// mappedUsers needs container one's mapping of users to be one: the node's own maps each
// user to itself.
func mappedUsers(o suite.Observation) (string, error) {
	one := o.Container("one")
	inside, outside, _ := strings.Cut(one.UIDMap, " ")
	if inside != "0" || outside == "" || strings.HasPrefix(outside, "0 ") {
		return "", suite.CannotTell("container one's root is another user outside", fmt.Sprintf("uid_map %q", one.UIDMap), one)
	}
	return one.UIDMap, nil
}

// sameUsers demands of a container that it is in container one's PID and user namespaces.
func sameUsers(o suite.Observation, name string) error {
	mapping, err := mappedUsers(o)
	if err != nil {
		return err
	}
	if err := onePIDNamespaceOf(o, "one", name); err != nil {
		return err
	}
	one, other := o.Container("one"), o.Container(name)
	if one.Namespaces["user"] == 0 || other.Namespaces["user"] == 0 {
		return suite.CannotTell("the user namespace of each container", fmt.Sprint(one.Namespaces, other.Namespaces), one, other)
	}
	if mapping != other.UIDMap || one.Namespaces["user"] != other.Namespaces["user"] {
		return suite.Violation("containers one and "+name+" are in one user namespace", fmt.Sprintf("uid_map %q and %q", one.UIDMap, other.UIDMap), one, other)
	}
	return nil
}

// readsOne demands that a container sees container one's process, and reads its environment and file.
func readsOne(o suite.Observation, from string) error {
	p, err := markedProcess(o, "one", "one", from)
	if err != nil {
		return err
	}
	if err := readsVariable(o, from, p, "PASSWORD", o.Markers["password"]); err != nil {
		return err
	}
	return readsFile(o, from, p, "/file", o.Markers["file"])
}

func sharesInUserNamespace(o suite.Observation) error {
	if err := sameUsers(o, "two"); err != nil {
		return err
	}
	if err := ofEach(pairs, func(from, to string) error {
		_, err := markedProcess(o, to, to, from)
		return err
	}); err != nil {
		return err
	}
	return readsOne(o, "two")
}

// firstCommandJoined compares what the hook wrote down with what is seen of the container later.
func firstCommandJoined(o suite.Observation) error {
	mapping, err := mappedUsers(o)
	if err != nil {
		return err
	}
	two := o.Container("two")
	if c := o.Pod.Containers["two"]; c.Restarts > 0 {
		return suite.CannotTell("container two, whose hook it is, is started once", describeEnd(c), two)
	}
	first, err := ownProcess(o, "one", "one")
	if err != nil {
		return err
	}
	file, users := two.Files[startedFile], two.Files[mappedFile]
	if !file.OK() || !users.OK() {
		return suite.CannotTell("what container two's hook wrote down", describeAccess(file)+"; "+describeAccess(users), two)
	}
	seen, err := parseWritten("two", file.Text)
	if err != nil {
		return suite.CannotTell("what container two's hook wrote down", err.Error(), two)
	}
	if seen.Namespaces["pid"] != two.Namespaces["pid"] {
		return suite.Violation(fmt.Sprintf("the hook is in its container's PID namespace, %d", two.Namespaces["pid"]), fmt.Sprint(seen.Namespaces["pid"]), seen, two)
	}
	if want := fmt.Sprintf("user:[%d] %s", two.Namespaces["user"], mapping); strings.Join(strings.Fields(users.Text), " ") != want {
		return suite.Violation("the hook's user namespace and mapping are its container's, "+want, fmt.Sprintf("%q", users.Text), two)
	}
	if !shows(seen, first) {
		return suite.Violation("the hook sees the process of container one, PID "+first.Identity().String(), "it does not", seen, o.Container("one"))
	}
	return nil
}

func reachedInUserNamespace(o suite.Observation) error {
	if _, err := mappedUsers(o); err != nil {
		return err
	}
	if _, err := markedProcess(o, "one", "one", "two"); err != nil {
		return err
	}
	two := o.Container("two")
	if err := succeeded(o, "kill", "kill succeeds from container two on container one's process", two); err != nil {
		return err
	}
	if err := wroteDown(o, "one", "USR1"); err != nil {
		return err
	}
	if err := succeeded(o, "write", "container two writes into container one's filesystem", two); err != nil {
		return err
	}
	after := o.AfterIn("one")
	if file := after.Files[fromSibling]; !file.OK() || o.Saw.Written == "" || file.Text != o.Saw.Written {
		return suite.Violation(fmt.Sprintf("container one has the file %s, which holds %q", fromSibling, o.Saw.Written), describeAccess(file), after)
	}
	if err := succeeded(o, "owner", "container one's file has an owner", after); err != nil {
		return err
	}
	if owner := strings.TrimSpace(o.Ran["owner"].Stdout); owner != "0:0" {
		return suite.Violation("the file belongs to container one's root, 0:0", owner, after)
	}
	return nothingRestarted(o)
}

func ephemeralInUserNamespace(o suite.Observation) error {
	if err := sameUsers(o, "debugger"); err != nil {
		return err
	}
	for _, other := range []string{"one", "two"} {
		if _, err := markedProcess(o, other, other, "debugger"); err != nil {
			return err
		}
		if _, err := markedProcess(o, "debugger", "debugger", other); err != nil {
			return err
		}
	}
	return readsOne(o, "debugger")
}
