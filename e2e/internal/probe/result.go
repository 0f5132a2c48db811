package probe

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// CommandResult is the end of one command run in a container: what it printed
// and its exit code, or why it could not be run at all.
type CommandResult struct {
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr,omitempty"`
	Code   int    `json:"code"`
	// Failure says why the command did not run to its end (the container has no
	// such executable, the stream was cut, the request was refused).
	Failure string `json:"failure,omitempty"`
	// Cut says that the failure is the connection's: nothing is known of the
	// command, which may or may not have been run.
	Cut bool `json:"cut,omitempty"`
	// Took is how long the request was under way, the last time that it was sent; 0 where nobody measured it.
	Took time.Duration `json:"-"`
}

// Ran tells whether the command ran to its end, with whatever exit code.
func (r CommandResult) Ran() bool { return r.Failure == "" }

// noExecutable is how the runtimes say that the image holds no such program: runc and
// crun (found in no folder of the PATH, or not where its path says), runsc and kata's
// agent. Much else can be missing, and is called “no such file” as well: the namespace of
// a container that ended meanwhile, a runtime's own files, a console's socket.
var noExecutable = regexp.MustCompile(`(?i)executable file .*not found` +
	`|exec: "[^"]*": (?:stat [^:]*: )?no such file or directory` +
	`|error finding executable .*no such file or directory` +
	`|failed to load (?:"[^"]*"|/\S+): no such file or directory` +
	`|the file \S+ was not found` +
	`|desc = ENOENT: no such file or directory`)

// NoSuchExecutable tells whether the command did not start because the image
// holds no such program. Runtimes report it as a failed request, or as the
// shell's exit codes 126 and 127.
func (r CommandResult) NoSuchExecutable() bool {
	return (!r.Ran() || r.Code == 126 || r.Code == 127) && noExecutable.MatchString(r.Failure+r.Stderr)
}

func (r CommandResult) String() string {
	if !r.Ran() {
		return "did not run: " + r.Failure
	}
	text := fmt.Sprintf("exit code %d", r.Code)
	if out := strings.TrimSpace(r.Stdout + r.Stderr); out != "" {
		text += ": " + out
	}
	return text
}
