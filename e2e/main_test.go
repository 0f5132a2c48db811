package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/klog/v2"
	"sigs.k8s.io/e2e-framework/pkg/env"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"procns/e2e/internal/conformance"
	"procns/e2e/internal/gotest"
	"procns/e2e/internal/interrupt"
	"procns/e2e/internal/options"
	"procns/e2e/internal/suite"
)

var (
	testenv env.Environment
	current *conformance.Run
)

func TestMain(m *testing.M) { os.Exit(mainWithCode(m)) }

func mainWithCode(m *testing.M) int {
	process := gotest.Read(os.Args[1:])
	os.Args = append(os.Args[:1:1], process.Flags...) // testing.M parses them itself
	if !process.Asked() {
		return m.Run() // TestProcns says how to ask
	}
	ctx, over := process.Bound(context.Background())
	defer over()
	if err := process.EnterModule(); err != nil {
		fmt.Fprintf(os.Stderr, "procns: %v\n", err)
		return suite.ExitUsage
	}
	var code int
	if current, code = conformance.Begin(process.Arguments, suiteVersion, os.Stdout, os.Stderr, process.KindFlags(ctx, os.Stderr)...); current == nil {
		return code
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, done := current.Bound(ctx)
	defer done()
	go onInterrupt(interrupt.Notify(process.Signals()...), cancel)

	klog.SetSlogLogger(conformance.ClientLog(current.Log()))
	var err error
	testenv, err = env.NewWithContext(ctx, envconf.New())
	if err != nil {
		fmt.Fprintf(os.Stderr, "procns: %v\n", err)
		return suite.ExitUsage
	}
	// The framework's Finish errors are logged and forgotten, and any failed
	// set-up is exit code 1: both are kept here instead, for the report.
	testenv.Setup(func(ctx context.Context, _ *envconf.Config) (context.Context, error) {
		if err := current.Prepare(ctx); err != nil {
			return ctx, err
		}
		current.Start(ctx)
		return ctx, nil
	})
	testenv.Finish(func(ctx context.Context, _ *envconf.Config) (context.Context, error) {
		current.Finish(ctx)
		return ctx, nil
	})
	output := os.Stdout
	said := func() string { return "" }
	if !options.WantsTestOutput(os.Args[1:]) { // the testing package's own flags
		said = withoutOutput()
	}
	testCode := testenv.Run(m)
	text := said()
	code = current.WriteReports(output)
	if code == suite.ExitConformant && testCode != 0 {
		fmt.Fprintf(os.Stderr, "procns: a defect of the suite, please report it: the run is conformant, and the tests failed:\n%s", text)
		code = suite.ExitInconclusive
	}
	current.Await(ctx, code)
	return code
}

// withoutOutput keeps what the testing package prints, which says less than the report,
// off standard output. It returns how to end that, and to get the last of it.
func withoutOutput() (end func() string) {
	output := os.Stdout
	reader, writer, err := os.Pipe()
	if err != nil {
		return func() string { return "" }
	}
	os.Stdout = writer
	last := make(chan string)
	go func() {
		const most = 16384
		var kept []byte
		buffer := make([]byte, most)
		for {
			n, err := reader.Read(buffer)
			kept = append(kept, buffer[:n]...)
			kept = kept[max(0, len(kept)-most):]
			if err != nil {
				last <- string(kept)
				return
			}
		}
	}()
	return func() string {
		os.Stdout = output
		_ = writer.Close()
		return <-last
	}
}

// TestProcns runs every case on every target. The runner works on all of them
// at once; here their results are awaited one by one.
func TestProcns(t *testing.T) {
	if current == nil {
		t.Skip("no run was asked for: go test ./e2e -args -kubeconfig FILE for a cluster of yours; any other flag, such as -args -level core, makes a kind cluster")
	}
	for place := 0; ; place++ {
		target, there := current.Target(place)
		if !there {
			break
		}
		feature := features.New(target.Name())
		for _, c := range current.CasesOn(target) {
			feature.AssessWithDescription(c.ID, c.Claim, func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
				r, ok := current.Take(target, c.ID)
				switch {
				case !ok:
					t.Error("no result")
				case r.Outcome == suite.Skipped, r.Outcome == suite.Planned, r.Outcome == suite.Exempted:
					t.Skip(r.Outcome, r.Reason)
				case !current.Require.Decides(c.Level):
					t.Log(r.Outcome.In(c.Level))
				case r.Outcome != suite.Conformant:
					t.Errorf("%s, explained below", r.Outcome)
				}
				return ctx
			})
		}
		testenv.Test(t, feature.Feature())
	}
	switch ran, decided := current.Wait(); {
	case ran == 0:
		t.Error("nothing ran")
	case !decided:
		t.Error("nothing ran that decides the exit code")
	}
}

// onInterrupt cancels the run at the first signal, and leaves at the second.
func onInterrupt(signals <-chan os.Signal, cancel context.CancelCauseFunc) {
	interrupt.Handle(signals, time.Now, func(got os.Signal) {
		current.Say(fmt.Sprintf("\nprocns: %s: cleaning up; again to leave at once", got))
		cancel(interrupt.Cause(got))
	}, func(os.Signal) {
		current.CloseView()
		fmt.Fprintf(os.Stderr, "procns: left without cleaning up; delete by hand:\n%s\n", current.ByHand())
		current.Abandon()
		os.Exit(suite.ExitInconclusive)
	})
}
