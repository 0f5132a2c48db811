package cases

import (
	"fmt"
	"slices"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// secretsCases state who can read another container's passwords: in arguments,
// in the environment, in files. "Ordinary Unix permissions" are tested both
// ways, with the errno that proc(5) and ptrace(2) give.
func secretsCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:     "secrets/argument-readable-by-any-user",
			Level:  suite.Core,
			Claim:  "A password in a container's arguments is readable through /proc/PID/cmdline by every user of every other container.",
			Source: onUnderstanding2 + "; proc(5), /proc/PID/cmdline",
			Judge: func(o suite.Observation) error {
				for _, from := range []string{"same", "other", "page", "opener"} {
					app, err := markedProcess(o, "argument", "app", from)
					if err != nil {
						return err
					}
					if !slices.Contains(app.Argv, "--password="+o.Markers["argument"]) {
						return suite.Violation("container "+from+" reads the whole argument", app.Command(), o.Container(from))
					}
				}
				return nil
			},
		},
		{
			ID:     "secrets/environment-readable",
			Level:  suite.Core,
			Claim:  "A password in a container's environment is readable through /proc/PID/environ with SYS_PTRACE, and by the same user.",
			Source: onUnderstanding2 + "; " + ptraceRule,
			Judge: func(o suite.Observation) error {
				return environmentReadable(o, [][2]string{{"PASSWORD", o.Markers["environment"]}})
			},
		},
		{
			ID:     "secrets/environment-from-objects-readable",
			Level:  suite.Extended,
			Claim:  "What a container's environment takes from a Secret, a ConfigMap or the pod itself is readable through /proc/PID/environ like any other variable.",
			Source: onUnderstanding2 + " (secrets in environment variables); " + ptraceRule,
			Judge: func(o suite.Observation) error {
				return environmentReadable(o, [][2]string{
					{"FROM_SECRET", o.Markers["secret"]}, {"FROM_CONFIGMAP", o.Markers["setting"]}, {"FROM_THE_POD", o.Pod.Name},
				})
			},
		},
		{
			ID:     "secrets/environment-guarded",
			Level:  suite.Core,
			Claim:  "The environment is protected from another user: /proc/PID/environ is refused with EACCES.",
			Source: onUnderstanding2 + " (protected only by regular Unix permissions); " + ptraceRule,
			Judge:  refusedTo("other", "environ", func(p probe.Process) probe.Access { return p.Environ }),
		},
		{
			ID:     "secrets/root-guarded",
			Level:  suite.Extended,
			Claim:  "Another user may not even enter /proc/PID/root: a file readable to all is refused with EACCES.",
			Source: onUnderstanding3 + "; " + ptraceRule,
			Judge:  refusedTo("other", "root"+readableFile, func(p probe.Process) probe.Access { return p.Files[readableFile] }),
		},
		{
			ID:     "secrets/file-guarded-by-mode",
			Level:  suite.Core,
			Claim:  "Once /proc/PID/root is open, a file's permissions alone protect it: of another user's files, the one of mode 0400 is refused with EACCES, the one of mode 0444 is read.",
			Source: onUnderstanding3,
			Judge: func(o suite.Observation) error {
				if err := refusedTo("opener", "root"+privateFile, func(p probe.Process) probe.Access { return p.Files[privateFile] })(o); err != nil {
					return err
				}
				return reads(o, "opener", readableFile, "readable")
			},
		},
		{
			ID:     "secrets/file-readable-by-its-user",
			Level:  suite.Core,
			Claim:  "A file of mode 0400 is read through /proc/PID/root by its own user, and by root with the default capabilities and SYS_PTRACE.",
			Source: onUnderstanding3,
			Judge: func(o suite.Observation) error {
				for _, from := range []string{"same", "page"} {
					if err := reads(o, from, privateFile, "private"); err != nil {
						return err
					}
				}
				return nil
			},
		},
		{
			ID:     "secrets/mounted-secret-guarded-by-mode",
			Level:  suite.Core,
			Claim:  "A mounted Secret's modes alone protect it once /proc/PID/root is open: of its files, which are root's, the one of mode 0400 is refused to another user with EACCES, the one of mode 0444 is read.",
			Source: onUnderstanding3 + " (filesystem secrets)",
			Judge: func(o suite.Observation) error {
				// What is refused is there: root reads it.
				if err := reads(o, "page", closedSecret, "closed"); err != nil {
					return err
				}
				if err := refusedTo("same", "root"+closedSecret, func(p probe.Process) probe.Access { return p.Files[closedSecret] })(o); err != nil {
					return err
				}
				return reads(o, "same", openSecret, "open")
			},
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "secrets.yaml", "secrets-isolated.yaml"
		cases[i].Read = []string{privateFile, readableFile, closedSecret, openSecret}
		cases[i].Precondition = secretsWritten
	}
	return cases
}

// The files of secrets.yaml: of uid 1000, with modes 0400 and 0444.
const (
	privateFile  = "/data/private"
	readableFile = "/data/readable"
)

// The files of the Secret that app mounts, which are root's, with the same modes.
const (
	closedSecret = "/mounted/closed"
	openSecret   = "/mounted/open"
)

func secretsWritten(o suite.Observation) error {
	if err := ownFileHolds("app", privateFile, "private")(o); err != nil {
		return err
	}
	return ownFileHolds("app", readableFile, "readable")(o)
}

// refusedTo demands that a container sees app's process, and is refused one thing
// of it with EACCES.
func refusedTo(container, what string, of func(probe.Process) probe.Access) func(suite.Observation) error {
	return func(o suite.Observation) error {
		app, err := markedProcess(o, "argument", "app", container)
		if err != nil {
			return err
		}
		if got := of(app); got.Errno != probe.EACCES {
			return suite.Violation(fmt.Sprintf("container %s is refused /proc/%d/%s with EACCES", container, app.PID, what),
				describeAccess(got), o.Container(container))
		}
		return nil
	}
}

// reads demands that a container reads a file of app's through /proc/PID/root.
func reads(o suite.Observation, container, file, marker string) error {
	app, err := markedProcess(o, "argument", "app", container)
	if err != nil {
		return err
	}
	return readsFile(o, container, app, file, o.Markers[marker])
}

// environmentReadable demands that each variable, a name and a value, is read in
// app's environment by who has SYS_PTRACE and by the same user.
func environmentReadable(o suite.Observation, variables [][2]string) error {
	for _, from := range []string{"page", "same"} {
		app, err := markedProcess(o, "argument", "app", from)
		if err != nil {
			return err
		}
		for _, v := range variables {
			if err := readsVariable(o, from, app, v[0], v[1]); err != nil {
				return err
			}
		}
	}
	return nil
}
