package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// filesystemCases state what of another container's filesystem can be reached
// through /proc/PID/root.
func filesystemCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:           "filesystem/nginx-conf",
			Level:        suite.Core,
			Claim:        "nginx's configuration, read through /proc/PID/root from the shell container, is the file that nginx itself reads.",
			Source:       onConfiguring + ", /proc/$pid/root",
			Fixture:      documented,
			Control:      isolated,
			Precondition: nginxServing,
			Read:         []string{nginxConf},
			Judge:        configurationIsTheSame,
			Records:      "the file's SHA-256",
			Record:       func(o suite.Observation) string { return "SHA-256 " + o.Container("nginx").Files[nginxConf].SHA256() },
		},
		{
			ID:      "filesystem/image-without-shell",
			Level:   suite.Core,
			Claim:   "An image without a shell can be inspected from another container: its process and its filesystem are visible.",
			Source:  onPurpose + " (troubleshoot container images without a shell); " + onUnderstanding3,
			Fixture: shellLess,
			Control: shellLessIsolated,
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
			ID:           "filesystem/" + file.id,
			Level:        suite.Core,
			Claim:        "A file " + file.what + " is readable from another container through /proc/PID/root.",
			Source:       onUnderstanding3,
			Fixture:      files,
			Control:      filesIsolated,
			Read:         []string{file.path},
			Precondition: ownFileHolds("app", file.path, file.marker),
			Judge:        throughRoot(file.path, "app", file.marker),
		})
	}
	return append(cases,
		suite.Case{
			ID:           "filesystem/relative-link",
			Level:        suite.Extended,
			Claim:        "A relative symbolic link, read through /proc/PID/root, leads to the other container's file.",
			Source:       onUnderstanding3 + "; path_resolution(7)",
			Fixture:      files,
			Control:      filesIsolated,
			Read:         linked,
			Precondition: linksMade,
			Judge:        throughRoot("/relative", "app", "identity"),
		},
		suite.Case{
			ID:           "filesystem/absolute-link",
			Level:        suite.Extended,
			Claim:        "An absolute symbolic link, read through /proc/PID/root, leads to a file of the container that reads, not of the one that holds the link.",
			Source:       "path_resolution(7): an absolute link starts at the root of the calling process; " + onUnderstanding3,
			Fixture:      files,
			Control:      filesIsolated,
			Read:         linked,
			Precondition: linksMade,
			Judge:        throughRoot("/absolute", "app", "shell-identity"),
		},
		suite.Case{
			ID:           "filesystem/service-account-token",
			Experiments:  []string{byToken},
			Level:        suite.Core,
			Claim:        "A service account's token that only one container mounts is readable from another through /proc/PID/root.",
			Source:       onUnderstanding3 + " (filesystem secrets)",
			Fixture:      files,
			Control:      filesIsolated,
			Precondition: linksMade,
			Read:         linked,
			Act:          reachThrough,
			Judge:        tokenReached,
			Records:      "the token's SHA-256",
			Record:       func(o suite.Observation) string { return "SHA-256 of the token: " + o.Ran["token"].String() },
		},
		suite.Case{
			ID:           "filesystem/write-through",
			Experiments:  []string{byWritingInto("app")},
			Level:        suite.Extended,
			Claim:        "Root in one container can write a file into another container's filesystem through /proc/PID/root.",
			Source:       "proc(5), /proc/PID/root; " + onUnderstanding3,
			Fixture:      files,
			Control:      filesIsolated,
			Precondition: linksMade,
			Read:         append(slices.Clone(linked), fromSibling),
			Act:          reachThrough,
			Judge:        writtenThrough,
		},
	)
}

// The pod of files, and the file that its shell writes into the others.
const (
	files         = "files.yaml"
	filesIsolated = "files-isolated.yaml"
	fromSibling   = "/from-sibling"
)

// linked are the links of files.yaml, and the file that they both name.
var linked = []string{"/identity", "/relative", "/absolute"}

// linksMade is the precondition that the container has made its links, which is
// the last that it does, and that both lead to its own file while it reads them.
func linksMade(o suite.Observation) error {
	return errors.Join(
		ownFileHolds("app", "/relative", "identity")(o),
		ownFileHolds("app", "/absolute", "identity")(o),
		ownFileHolds("shell", "/identity", "shell-identity")(o),
	)
}

// throughRoot demands that the shell container reads, through the root of
// another's process, the random text of that name.
func throughRoot(path, of, marker string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		p, err := markedProcess(o, of, of, "shell")
		if err != nil {
			return err
		}
		return readsFile(o, "shell", p, path, o.Markers[marker])
	}
}

// reachThrough writes into the siblings' filesystems, and takes the digest of a
// token: the token itself has no place in evidence.
var reachThrough = &suite.Act{
	Name:   "reach-through",
	Within: 30 * time.Second,
	Sees:   []string{"app", "sealed"},
	Do: func(ctx context.Context, pod suite.PodClient) error {
		before := pod.Before()
		for _, name := range []string{"app", "sealed"} {
			p, ok := before.Container("shell").Find(carrying(before, name))
			if !ok {
				return nil // the judges say that the shell does not see it
			}
			const write = `printf %s "$1" >"$2"`
			target := fmt.Sprintf("/proc/%d/root%s", p.PID, fromSibling)
			if err := pod.Apart(ctx, byWritingInto(name), func(ctx context.Context) error {
				_, err := pod.Exec(ctx, byWritingInto(name), "shell", "sh", "-c", write, "write", before.Markers["sibling"], target)
				return err
			}); err != nil {
				return err
			}
		}
		return pod.Apart(ctx, byToken, func(ctx context.Context) error {
			if _, err := pod.Exec(ctx, "own-token", "app", "sha256sum", "/token/token"); err != nil {
				return err
			}
			app, _ := before.Container("shell").Find(carrying(before, "app"))
			const digest = `[ ! -e /token ] && sha256sum "$1"`
			_, err := pod.Exec(ctx, "token", "shell", "sh", "-c", digest, "digest", fmt.Sprintf("/proc/%d/root/token/token", app.PID))
			return err
		})
	},
}

// digestOfNothing is the SHA-256 of an empty file.
const digestOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func tokenReached(o suite.Observation) error {
	if _, err := markedProcess(o, "app", "app", "shell"); err != nil {
		return err
	}
	digest := func(name string) string {
		first, _, _ := strings.Cut(o.Ran[name].Stdout, " ")
		return first
	}
	own := digest("own-token")
	if len(own) != len(digestOfNothing) || own == digestOfNothing {
		return suite.CannotTell("the digest of the token in its own container", o.Ran["own-token"].String())
	}
	if token, tried := o.Ran["token"]; tried && !token.Ran() {
		return suite.CannotTell("the shell container reads the token", token.String(), o.Container("shell"))
	}
	if digest("token") != own {
		return suite.Violation("the shell container, which has no /token, reads the token with the SHA-256 "+own, o.Ran["token"].String(), o.Container("shell"))
	}
	return nil
}

func writtenThrough(o suite.Observation) error {
	if _, err := markedProcess(o, "app", "app", "shell"); err != nil {
		return err
	}
	if before := o.Container("app").Files[fromSibling]; before.Errno != probe.ENOENT {
		return suite.CannotTell("no "+fromSibling+" before the act", describeAccess(before), o.Container("app"))
	}
	if write, tried := o.Ran["write-app"]; tried && !write.Ran() {
		return suite.CannotTell("the sibling runs the command that writes", write.String(), o.Container("shell"))
	}
	if got := o.AfterIn("app").Files[fromSibling]; !got.OK() || got.Text != o.Markers["sibling"] || got.Text == "" {
		return suite.Violation("container app finds in "+fromSibling+" what its sibling wrote",
			describeAccess(got)+"; the sibling: "+o.Ran["write-app"].String(), o.Container("shell"), o.AfterIn("app"))
	}
	return nil
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
