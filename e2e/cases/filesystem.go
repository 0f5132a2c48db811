package cases

import (
	"fmt"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// filesystemCases state what of another container's filesystem can be reached
// through /proc/PID/root.
func filesystemCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:      "filesystem/nginx-conf",
			Level:   suite.Core,
			Claim:   "nginx's configuration, read through /proc/PID/root from the shell container, is the file that nginx itself reads.",
			Source:  onConfiguring + ", /proc/$pid/root",
			Fixture: documented,
			Control: isolated,
			Given:   nginxServing,
			Read:    []string{nginxConf},
			Judge:   configurationIsTheSame,
			Record:  func(o suite.Observation) string { return "SHA-256 " + o.Container("nginx").Files[nginxConf].SHA256() },
		},
		{
			ID:      "filesystem/image-without-shell",
			Level:   suite.Core,
			Claim:   "An image without a shell can be inspected from another container: its process and its filesystem are visible.",
			Source:  onPurpose + " (troubleshoot container images without a shell); " + onUnderstanding3,
			Fixture: "shell-less.yaml",
			Control: "shell-less-isolated.yaml",
			Read:    []string{"/pause"},
			Judge:   bareImageInspected,
		},
	}
	for _, file := range []struct{ id, path, marker, what string }{
		{"writable-layer", "/written-at-runtime", "layer", "written into the container's writable layer while it runs"},
		{"emptydir", "/scratch/file", "scratch", "in an emptyDir that only that container mounts"},
		{"mounted-secret", "/secret/password", "secret", "of a Secret that only that container mounts"},
	} {
		cases = append(cases, suite.Case{
			ID:      "filesystem/" + file.id,
			Level:   suite.Core,
			Claim:   "A file " + file.what + " is readable from another container through /proc/PID/root.",
			Source:  onUnderstanding3,
			Fixture: "files.yaml",
			Control: "files-isolated.yaml",
			Read:    []string{file.path},
			Given:   ownFileHolds("app", file.path, file.marker),
			Judge: func(o suite.Observation) error {
				app, err := markedProcess(o, "app", "app", "shell")
				if err != nil {
					return err
				}
				got := app.Files[file.path]
				if !got.OK() || got.Text != o.Markers[file.marker] {
					return suite.Violation(
						fmt.Sprintf("/proc/%d/root%s holds what the container wrote there", app.PID, file.path),
						describeAccess(got), o.Container("shell"))
				}
				return nil
			},
		})
	}
	return cases
}

func configurationIsTheSame(o suite.Observation) error {
	own := o.Container("nginx").Files[nginxConf]
	if !own.OK() || own.Text == "" {
		return suite.CannotTell(nginxConf+" in nginx's own container", own.Message, o.Container("nginx"))
	}
	seen, err := masterSeenFrom(o, "shell")
	if err != nil {
		return err
	}
	if got := seen.Files[nginxConf]; !got.OK() || got.SHA256() != own.SHA256() {
		return suite.Violation(
			fmt.Sprintf("/proc/%d/root%s has the SHA-256 %s", seen.PID, nginxConf, own.SHA256()),
			describeAccess(got), o.Container("shell"))
	}
	return nil
}

// bareImageInspected needs the image to be bare in truth: exec of a shell in it
// must have failed for want of one.
func bareImageInspected(o suite.Observation) error {
	if bare := o.Container("bare"); !bare.NoShell {
		return suite.CannotTell("a container without a shell", "a shell ran in it", bare)
	}
	shell := o.Container("shell")
	p, ok := shell.Find(carrying(o, "bare"))
	if !ok {
		return suite.Violation("the shell container sees the process of the image without a shell", "it does not", shell)
	}
	if !p.Exe.OK() || p.Exe.Text != "/pause" {
		return suite.Violation(fmt.Sprintf("/proc/%d/exe leads to the image's program, /pause", p.PID), describeAccess(p.Exe), shell)
	}
	// Every ELF file begins with these four bytes (elf(5)).
	if program := p.Files["/pause"]; !program.OK() || len(program.Text) < 4 || program.Text[:4] != "\x7fELF" {
		return suite.Violation(fmt.Sprintf("/proc/%d/root/pause is the program", p.PID), describeAccess(program), shell)
	}
	return nil
}

// ownFileHolds is the precondition that a container itself reads the random text
// in one of its files.
func ownFileHolds(container, path, marker string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if own := o.Container(container).Files[path]; !own.OK() || own.Text != o.Markers[marker] {
			return suite.CannotTell("container "+container+" reads its own "+path, describeAccess(own))
		}
		return nil
	}
}

// markedProcess finds a container's process, which carries the named marker,
// from another container; not seeing it there is a violation.
func markedProcess(o suite.Observation, marker, of, from string) (probe.Process, error) {
	own, err := ownProcess(o, of, marker)
	if err != nil {
		return own, err
	}
	seen, ok := o.Container(from).Find(carrying(o, marker))
	if !ok || seen.Identity() != own.Identity() {
		return own, suite.Violation(fmt.Sprintf("container %s sees the process of container %s", from, of), "it does not", o.Container(from))
	}
	return seen, nil
}

func describeAccess(a probe.Access) string {
	if !a.OK() {
		return fmt.Sprintf("%s (%s)", a.Errno, a.Message)
	}
	if len(a.Text) > 80 {
		return fmt.Sprintf("%d bytes, SHA-256 %s", len(a.Text), a.SHA256())
	}
	return fmt.Sprintf("%q", a.Text)
}
