package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"k8s.io/klog/v2"
	"sigs.k8s.io/e2e-framework/pkg/env"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"procns/e2e/cases"
	"procns/e2e/internal/suite"
)

var (
	testenv env.Environment
	current *conformance
)

func TestMain(m *testing.M) { os.Exit(mainWithCode(m)) }

func mainWithCode(m *testing.M) int {
	o, err := parseOptions(withoutTestFlags(os.Args[1:]), os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return suite.ExitConformant
	}
	if err != nil {
		return refuse(err)
	}
	if o.list {
		listCases(os.Stdout)
		return suite.ExitConformant
	}
	if o.down {
		return deleteKept(o)
	}
	selected, err := selectCases(cases.All(), o.run)
	if err != nil {
		return refuse(err)
	}
	if current, err = newConformance(o, selected, len(cases.All())); err != nil {
		return refuse(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go onInterrupt(cancel)

	klog.SetSlogLogger(slog.New(slog.NewTextHandler(current.logTo, nil)))
	testenv, err = env.NewWithContext(ctx, envconf.New())
	if err != nil {
		return refuse(err)
	}
	// The framework's Finish errors are logged and forgotten, and any failed
	// set-up is exit code 1: both are kept here instead, for the report.
	testenv.Setup(func(ctx context.Context, _ *envconf.Config) (context.Context, error) {
		err := current.prepare(ctx)
		if err != nil {
			current.problem(ctx, err)
			return ctx, err
		}
		current.start(ctx)
		return ctx, nil
	})
	testenv.Finish(func(ctx context.Context, _ *envconf.Config) (context.Context, error) {
		current.report.Interrupted = ctx.Err() != nil
		current.cleanUp()
		return ctx, nil
	})
	testCode := testenv.Run(m)
	code := current.writeReports(os.Stdout)
	if code == suite.ExitConformant && testCode != 0 {
		return suite.ExitInconclusive // a panic in the binary itself
	}
	return code
}

// TestProcns runs every case on every target. The runner works on all of them
// at once; here their results are awaited one by one.
func TestProcns(t *testing.T) {
	for _, target := range current.report.Targets {
		feature := features.New(target.Name())
		for _, c := range current.cases {
			feature.AssessWithDescription(c.ID, c.Claim, func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
				r, ok := current.results.take(target.Name(), c.ID, current.ran)
				switch {
				case !ok:
					t.Error("no result")
				case r.Outcome == suite.Skipped:
					t.Skip(r.Reason)
				case c.Level == suite.Informational:
					t.Log(r.Outcome)
				case r.Outcome != suite.Conformant:
					t.Errorf("%s, explained below", r.Outcome)
				}
				return ctx
			})
		}
		testenv.Test(t, feature.Feature())
	}
	<-current.ran
	if len(current.report.Results) == 0 {
		t.Error("nothing ran")
	}
}

// onInterrupt cancels the run at the first signal, and leaves at the second.
func onInterrupt(cancel context.CancelCauseFunc) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	got := <-signals
	fmt.Fprintf(os.Stderr, "\nprocns: %s: cleaning up; again to leave at once\n", got)
	cancel(fmt.Errorf("interrupted by %s", got))
	<-signals
	fmt.Fprintf(os.Stderr, "procns: left without cleaning up; delete by hand:\n%s\n", current.byHand())
	os.Exit(suite.ExitInconclusive)
}

// problem notes in one line why the run could not be set up.
func (c *conformance) problem(ctx context.Context, err error) {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	c.report.Problem = oneLine(err)
	c.log.Printf("set-up: %v", err)
}

// withoutTestFlags leaves the testing package's flags to flag.Parse, which
// testing.M calls itself.
func withoutTestFlags(arguments []string) []string {
	var ours, theirs []string
	for _, a := range arguments {
		if strings.HasPrefix(strings.TrimLeft(a, "-"), "test.") {
			theirs = append(theirs, a)
		} else {
			ours = append(ours, a)
		}
	}
	os.Args = append(os.Args[:1:1], theirs...)
	return ours
}
