package cases

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// The walk: the page's commands, in the page's order, with the PID that ps shows.

var walkByAttach = &suite.Act{
	Name:   "walk-by-attach",
	Within: 30 * time.Second,
	Sees:   []string{"nginx"},
	Do: func(ctx context.Context, pod suite.PodClient) error {
		return pod.Attach(ctx, "shell", func(t *probe.Terminal) error {
			err := attachedWalk(ctx, t, pod)
			pod.Note(func(saw *suite.Saw) { saw.Page.Screen = t.Screen() })
			return err
		})
	},
}

var walkByExec = &suite.Act{
	Name:    "walk-by-exec",
	Within:  30 * time.Second,
	Sees:    []string{"nginx"},
	Follows: walkByAttach, // it left nginx other workers
	Do: func(ctx context.Context, pod suite.PodClient) error {
		ask := func(name string) error {
			return pod.Apart(ctx, byAsking, func(ctx context.Context) error { return askNginx(ctx, pod, name, "shell") })
		}
		if err := ask(answeredBefore); err != nil {
			return err
		}
		if err := followPage(ctx, execInShell(ctx, pod, "sh", "-c"), pod); err != nil {
			return err
		}
		return ask(answeredAfter)
	},
}

// walkByShell gives the commands to the shell that the English page starts,
// /bin/sh, on its standard input.
var walkByShell = &suite.Act{
	Name:   "walk-by-shell",
	Within: 30 * time.Second,
	Sees:   []string{"nginx"},
	Do: func(ctx context.Context, pod suite.PodClient) error {
		return followPage(ctx, execInShell(ctx, pod, "sh", "-c", `printf "%s\n" "$1" | /bin/sh`, "walk"), pod)
	},
}

// execInShell runs each command of the walk by an exec of its own in the shell container.
func execInShell(ctx context.Context, pod suite.PodClient, with ...string) func(name, command string) (string, error) {
	return func(name, command string) (string, error) {
		result, err := pod.Exec(ctx, name, "shell", append(slices.Clone(with), command)...)
		if err == nil && !result.Ran() {
			err = errors.New("exec: " + result.Failure)
		}
		return result.Stdout, err
	}
}

// attachedWalk types what the page says, each command after the prompt that
// follows the one before.
func attachedWalk(ctx context.Context, t *probe.Terminal, pod suite.PodClient) error {
	// The echo after Enter bounds the wait for a prompt by an event: whatever the
	// shell shows before it answers, it has shown when the answer is there.
	const question, answer = "echo procns-$((6*7))", "procns-42"
	if err := t.Type("\n"); err != nil {
		return err
	}
	// Asked twice, because the shell prints its prompt again, into whatever is being
	// typed, when it learns the size of its terminal, which is soon after the attach.
	for range 2 {
		since := len(t.Screen())
		if err := t.Type(question + "\n"); err != nil {
			return err
		}
		if _, err := t.Await(since, reply, "answer of the shell", func(text string) bool { return strings.Contains(text, answer) }); err != nil {
			return err
		}
	}
	typed := regexp.MustCompile(`(?m)^(.*?[#$] )+`+regexp.QuoteMeta(question)).FindAllStringSubmatch(t.Screen(), -1)
	if typed == nil {
		return nil // no prompt: the judge says so
	}
	prompt := typed[len(typed)-1][1]
	pod.Note(func(saw *suite.Saw) { saw.Page.Prompt = prompt })
	before := func(text string) string {
		for strings.HasSuffix(text, prompt) {
			text = strings.TrimSuffix(text, prompt)
		}
		return text
	}
	atPrompt := func(text string) bool {
		printed := before(text)
		return printed != text && strings.HasSuffix(printed, "\n")
	}
	if _, err := t.Await(0, reply, "prompt", atPrompt); err != nil {
		return err
	}
	// There is one terminal: what comes after a command that was not answered may be its late answer.
	var unanswered error
	return followPage(ctx, func(_, command string) (string, error) {
		if unanswered != nil {
			return "", unanswered
		}
		since := len(t.Screen())
		if err := t.Type(command + "\n"); err != nil {
			return "", err
		}
		text, err := t.Await(since, reply, "prompt after "+command, atPrompt)
		unanswered = err
		return before(text), err
	}, pod)
}

// followPage runs the page's commands and notes what each printed. Where ps
// shows no nginx there is nothing to signal, and the walk ends.
func followPage(ctx context.Context, run func(name, command string) (string, error), pod suite.PodClient) error {
	before, err := run("ps-before", "ps ax")
	if err != nil {
		return err
	}
	pod.Note(func(saw *suite.Saw) { saw.Page.PSBefore = before })
	rows, err := probe.ParsePS(before)
	if err != nil {
		return err
	}
	masters := psRows(rows, "nginx: master process")
	if len(masters) == 0 {
		return nil
	}
	master := masters[0].PID
	if err := pod.Apart(ctx, byHangingUp, func(ctx context.Context) error { return hangUpAsPage(ctx, run, pod, before, master) }); err != nil {
		return err
	}
	return pod.Apart(ctx, byHead, func(context.Context) error {
		head, err := run("head", fmt.Sprintf("head /proc/%d/root%s", master, nginxConf))
		pod.Note(func(saw *suite.Saw) { saw.Page.Head = head })
		return err
	})
}

// hangUpAsPage sends nginx's master the signal, and has ps show what became of the workers.
func hangUpAsPage(ctx context.Context, run func(name, command string) (string, error), pod suite.PodClient, before string, master int) error {
	printed, err := run("hangup", fmt.Sprintf("kill -HUP %d", master))
	if err != nil {
		return err
	}
	pod.Note(func(saw *suite.Saw) { saw.Page.Hangup = printed })
	// A terminal shows what kill says; of an exec, the result is kept.
	refused := wasRefused(pod.Before().Ran["hangup"]) || wasRefused(probe.CommandResult{Code: 1, Stderr: printed})
	// ps is typed again until the workers are new ones: nginx lets the old finish
	// their requests first, and a process table cannot be watched.
	return pace.Persist(ctx, reply, func() (bool, error) {
		after, err := run("ps-after", "ps ax")
		if err != nil {
			return false, err
		}
		pod.Note(func(saw *suite.Saw) { saw.Page.PSAfter = after })
		return newWorkersIn(before, after) || refused, nil
	})
}

func psRows(rows []probe.PSRow, prefix string) []probe.PSRow {
	return slices.DeleteFunc(slices.Clone(rows), func(r probe.PSRow) bool { return !strings.HasPrefix(r.Command, prefix) })
}

func newWorkersIn(before, after string) bool {
	old, errOld := probe.ParsePS(before)
	now, errNow := probe.ParsePS(after)
	if errOld != nil || errNow != nil {
		return false
	}
	was, is := psRows(old, "nginx: worker process"), psRows(now, "nginx: worker process")
	stayed := slices.ContainsFunc(is, func(r probe.PSRow) bool {
		return slices.ContainsFunc(was, func(o probe.PSRow) bool { return o.PID == r.PID })
	})
	return len(is) > 0 && !stayed && !slices.ContainsFunc(psRows(now, "nginx: worker process is shutting down"), func(probe.PSRow) bool { return true })
}

// isRowOf tells whether ps printed a process's command line, whatever that is:
// busybox puts the name in braces before it where the two differ. Of a command that
// is not the suite's own, neither the row nor the process holds it.
func isRowOf(row probe.PSRow, p probe.Process) bool {
	if p.Foreign && len(p.Argv) == 0 {
		return row.Command == probe.NotKept || row.Command == p.Command()
	}
	return probe.PrintedAs(p.Command(), strings.TrimSpace(strings.TrimPrefix(row.Command, "{"+p.Comm+"}")))
}
