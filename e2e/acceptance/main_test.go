//go:build acceptance

package acceptance

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"procns/e2e/internal/gotest"
	"procns/e2e/internal/interrupt"
)

// running ends when somebody interrupts the tests, or when the time that go test gives is over.
var running context.Context

// shared is the cluster that the tests use, one after the other. The first one that needs it makes it.
var shared = &cluster{name: "procns-check"}

func TestMain(m *testing.M) { os.Exit(mainWithCode(m)) }

func mainWithCode(m *testing.M) int {
	process := gotest.Read(os.Args[1:])
	os.Args = append(os.Args[:1:1], process.Flags...) // testing.M parses them itself
	if len(process.Arguments) > 0 {
		say("it takes the testing package's flags alone, each with its value behind =, and not %q", process.Arguments)
		return 3
	}
	if err := process.EnterModule(); err != nil {
		say("%v", err)
		return 3
	}
	// What make and the scripts were told is not meant for those that the tests start.
	for _, variable := range []string{"KEEP", "ARGS", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PROCNS_TAGS"} {
		_ = os.Unsetenv(variable)
	}
	ctx, over := process.Bound(context.Background())
	defer over()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	running = ctx
	go onInterrupt(interrupt.Notify(process.Signals()...), cancel)
	// Under nohup SIGHUP is ignored, and a run would inherit that; not so what is caught here.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)

	code := m.Run()
	if err := shared.delete(); err != nil {
		say("%v", err)
		code = max(code, 1)
	}
	if ctx.Err() != nil {
		say("not all was tried: %v", context.Cause(ctx))
		code = max(code, 1)
	}
	if shared.folder != "" {
		say("the reports are in %s", shared.folder)
	}
	return code
}

// onInterrupt ends the tests at the first signal, and leaves at the second.
func onInterrupt(signals <-chan os.Signal, cancel context.CancelCauseFunc) {
	interrupt.Handle(signals, time.Now, func(got os.Signal) {
		say("%s: ending what runs, and deleting the cluster; again to leave at once", got)
		cancel(interrupt.Cause(got))
	}, func(os.Signal) {
		say("left without cleaning up; delete by hand: %s", shared.byHand())
		os.Exit(1)
	})
}

func say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "acceptance: "+format+"\n", arguments...)
}

// try runs a test as a subtest. A panic in it does not leave the cluster.
func try(t *testing.T, name string, body func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		notInterrupted(t)
		began := time.Now()
		defer func() {
			if broken := recover(); broken != nil {
				_ = shared.delete()
				panic(broken)
			}
		}()
		t.Cleanup(func() { shared.note(t, time.Since(began)) })
		body(t)
	})
}

// notInterrupted ends a test that began after an interrupt: what did not run has not passed.
func notInterrupted(t *testing.T) {
	t.Helper()
	if running.Err() != nil {
		t.Fatalf("not run: %v", context.Cause(running))
	}
}

// setting is the text of a variable, or what it is without one.
func setting(variable, otherwise string) string {
	if text := os.Getenv(variable); text != "" {
		return text
	}
	return otherwise
}

// number is a variable's number.
func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	n, err := strconv.Atoi(setting(variable, strconv.Itoa(otherwise)))
	require.NoError(t, err, "%s: expected a number", variable)
	return n
}

// numbers are a variable's numbers, with spaces between them.
func numbers(t *testing.T, variable, otherwise string) []int {
	t.Helper()
	var all []int
	for word := range strings.FieldsSeq(setting(variable, otherwise)) {
		n, err := strconv.Atoi(word)
		require.NoError(t, err, "%s: expected numbers with spaces between them", variable)
		all = append(all, n)
	}
	require.NotEmpty(t, all, "%s: expected at least one number", variable)
	return all
}

// limit is how long a run may take: LIMIT, in seconds.
func limit(t *testing.T, otherwise time.Duration) time.Duration {
	t.Helper()
	return time.Duration(number(t, "LIMIT", int(otherwise.Seconds()))) * time.Second
}
