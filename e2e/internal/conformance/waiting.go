package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"procns/e2e/internal/archive"
	"procns/e2e/internal/hydrophone"
	"procns/e2e/internal/incluster"
	"procns/e2e/internal/linger"
	"procns/e2e/internal/options"
	"procns/e2e/internal/pace"
	"procns/e2e/internal/report"
	"procns/e2e/internal/sonobuoy"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/surroundings"
	"procns/e2e/internal/whole"
)

// waiting are those who wait for a run: Sonobuoy's worker, Hydrophone, and whoever fetches
// the reports of a run that lingers. Mostly there are none.
type waiting struct {
	linger   *linger.Run
	progress *sonobuoy.Progress

	mu           sync.Mutex
	total, ready int
}

// listen lets whoever fetches the reports find the run, where it lingers.
func (c *Run) listen() (err error) {
	if c.Linger > 0 {
		if c.waiting.linger, err = linger.Listen(c.folder.Path); err != nil {
			return options.Usagef("-linger: %w: the report folder's volume has to take a socket", err)
		}
	}
	return nil
}

// tellThoseWhoWait begins to tell how far the run is.
func (c *Run) tellThoseWhoWait() {
	if c.around.Sonobuoy != "" {
		c.waiting.progress = sonobuoy.TellProgress(c.around.ProgressPort, c.folder.log.Printf)
		c.waiting.progress.Begin(0, "looking at the cluster")
	}
	if c.Linger > 0 {
		c.waiting.linger.SoFar("looking at the cluster")
		c.say("==> at its end the run waits for %s: fetch the reports with -archive", c.Linger)
	}
}

// begin says how many results there will be.
func (w *waiting) begin(total int, on []suite.Target) {
	w.mu.Lock()
	w.total = total
	w.mu.Unlock()
	text := fmt.Sprintf("%d results to come, targets: %d", total, len(on))
	w.linger.SoFar(text)
	w.progress.Begin(total, text)
}

// more says that there will be more results.
func (w *waiting) more(results int) {
	w.mu.Lock()
	w.total += results
	total, text := w.total, fmt.Sprintf("%d of %d results", w.ready, w.total)
	w.mu.Unlock()
	w.linger.SoFar(text)
	w.progress.Begin(total, text)
}

// ended says that one result is there.
func (w *waiting) ended(r suite.Result, require suite.Requirement) {
	w.mu.Lock()
	w.ready++
	text := fmt.Sprintf("%d of %d results", w.ready, w.total)
	w.mu.Unlock()
	w.linger.SoFar(text)
	failure := ""
	if require.FailedBy(r) {
		failure = fmt.Sprintf("%s on %s: %s", r.Case.ID, r.Target.Name(), r.Outcome)
	}
	w.progress.Ended(text, failure)
}

// conclude tells Sonobuoy's worker that the results are complete, whatever they are. It
// returns an exit code if that fails.
func (c *Run) conclude() int {
	c.waiting.progress.Close(c.report.Verdict().Line)
	if c.around.Sonobuoy == "" {
		return suite.ExitConformant
	}
	if err := sonobuoy.Conclude(c.around.Sonobuoy, c.folder.Path); err != nil {
		c.view.Say("procns: " + oneLine(err)) // the log is written
		return suite.ExitUsage
	}
	return suite.ExitConformant
}

// Abandon tells those who wait that the run is left where it is.
func (c *Run) Abandon() {
	if !c.around.Waited() {
		return
	}
	c.folder.Release()
	r := c.report
	r.Results, r.Problem, r.CannotTell = nil, "left without cleaning up, at a second signal", true
	reportAlone(c.around, c.folder.Path, r, c.stdout, c.stderr)
}

// reportRefusal tells those who wait that there is no run. It leaves alone what another
// run has written: somebody may try flags in the pod of one.
func reportRefusal(around surroundings.Surroundings, version string, why error, stdout, stderr io.Writer) {
	folder := around.ReportFolder()
	if !around.Waited() || holdsReport(folder) || around.Sonobuoy != "" && sonobuoy.Concluded(around.Sonobuoy) {
		return
	}
	began := time.Now()
	reportAlone(around, folder, report.Run{Started: began, Suite: report.Suite{Version: version}, Problem: oneLine(why)}, stdout, stderr)
	beSeen(context.Background(), around, began)
}

// reportAlone writes what is fetched of a run by those who wait, and nothing else, and tells
// them so. A log that was begun is left as it is.
func reportAlone(around surroundings.Surroundings, folder string, r report.Run, stdout, stderr io.Writer) {
	all := []document{{sonobuoy.ResultsFile, report.WriteSonobuoy}}
	if around.Hydrophone != "" {
		all = []document{{hydrophone.JUnit, report.WriteJUnit}, {hydrophone.Log, func(w io.Writer, r report.Run) error {
			return report.WriteTerminal(w, r, report.Style{})
		}}}
	}
	err := os.MkdirAll(folder, 0o755)
	for _, d := range all {
		file := filepath.Join(folder, d.name)
		if _, there := os.Stat(file); there == nil && d.name == hydrophone.Log {
			continue
		}
		var text bytes.Buffer
		wrong := d.write(&text, r)
		if wrong == nil {
			wrong = whole.Write(file, text.Bytes())
		}
		err = errors.Join(err, wrong)
	}
	if err == nil && around.Sonobuoy != "" {
		err = sonobuoy.Conclude(around.Sonobuoy, folder)
	}
	if err != nil {
		fmt.Fprintf(stderr, "procns: %s\n", oneLine(err))
	}
	lastWord(around, stdout)
}

// lastWord ends Hydrophone's reading of the log, whatever was written: it would read for ever.
func lastWord(around surroundings.Surroundings, stdout io.Writer) {
	if around.Hydrophone != "" {
		_ = hydrophone.WriteLast(stdout)
	}
}

// beSeen waits, in a container of Hydrophone's that was soon done, until that has seen it running.
func beSeen(ctx context.Context, around surroundings.Surroundings, since time.Time) {
	if around.Hydrophone == "" || !around.InPod {
		return
	}
	_ = pace.Pause(ctx, time.Until(since.Add(hydrophone.Seen)))
}

// forThoseThere is how long a run that somebody wants to end waits for who is fetching its
// reports, or has waited for them: less than kubelet leaves it after the clean-up.
const forThoseThere = 20 * time.Second

// Await waits, if the run was told to linger, until its reports were fetched, for so long
// at most, or until somebody wants it to end. Nothing is printed after it.
func (c *Run) Await(ctx context.Context, exitCode int) {
	if c.waiting.linger != nil {
		c.await(ctx, exitCode)
	}
	lastWord(c.around, c.stdout)
	beSeen(ctx, c.around, c.report.Started)
}

func (c *Run) await(ctx context.Context, exitCode int) {
	l := c.waiting.linger
	l.Ended(exitCode)
	// Where nothing ran, for want of a permission or of an image, all that there is to know is one
	// line, and it is in the log.
	nothing := exitCode == suite.ExitUsage && c.runner == nil
	fetched := !nothing && l.Await(ctx, c.Linger)
	if !fetched && (nothing || ctx.Err() != nil) && l.Visited() {
		fetched = l.Await(context.Background(), min(c.Linger, forThoseThere))
	}
	switch { // the view is closed
	case c.Quiet:
	case fetched:
		fmt.Fprintln(c.stderr, "==> the reports were fetched")
	default:
		fmt.Fprintf(c.stderr, "==> nobody fetched the reports: they are in %s\n", c.folder.Path)
	}
	_ = l.Close()
}

// toBegin is how long the run in a pod may take until it can be asked: kubelet calls a container
// ready as soon as its program is started.
const toBegin = 20 * time.Second

// awaitEnd waits until the run that works in a folder has ended. It returns none where the run
// has ended before, or there is none.
func awaitEnd(folder string, around surroundings.Surroundings, stderr io.Writer) (visit *linger.Visit, err error) {
	var patience time.Duration
	if around.InPod {
		patience = toBegin
	}
	told := false
	err = pace.Until(context.Background(), patience, func() (bool, error) {
		var err error
		visit, err = linger.AwaitEnd(folder, func(soFar string) {
			fmt.Fprintf(stderr, "==> waiting for the end of the run: %s\n", soFar)
		})
		if !errors.Is(err, linger.ErrNoRun) {
			return true, err
		}
		if _, missing := os.Stat(filepath.Join(folder, "report.json")); missing == nil {
			return true, nil
		}
		if around.InPod && !told {
			fmt.Fprintf(stderr, "==> no run works in %s yet\n", folder)
			told = true
		}
		return false, nil
	})
	return visit, err
}

// writeArchive writes the report folder as an archive, once the run that works in it has
// ended. The exit code is the run's, where the reports are fetched.
func writeArchive(o options.Options, around surroundings.Surroundings, stdout, stderr io.Writer) (*Run, int, error) {
	visit, err := awaitEnd(o.ReportDir, around, stderr)
	if err != nil {
		return nil, 0, fmt.Errorf("-archive: %s: %w", o.ReportDir, err)
	}
	var code int
	if visit != nil {
		code = visit.ExitCode
	} else {
		ended, err := report.ReadFile(filepath.Join(o.ReportDir, "report.json"))
		if err != nil {
			return nil, 0, fmt.Errorf("-archive: no run works in %s, nor has one ended: %w: name the folder with -report-dir", o.ReportDir, err)
		}
		code = ended.Verdict.ExitCode
	}
	if o.Archive == "-" {
		err = archive.Write(stdout, o.ReportDir, linger.Socket(o.ReportDir))
	} else {
		err = archive.WriteFile(o.Archive, o.ReportDir, linger.Socket(o.ReportDir))
	}
	if visit != nil {
		err = errors.Join(err, visit.Done(err == nil))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("-archive: %w", err)
	}
	fmt.Fprintf(stderr, "==> the reports of %s, exit code %d\n", o.ReportDir, code)
	return nil, code, nil
}

// manifestOfRun is what a manifest is printed from.
func manifestOfRun(o options.Options, version string) incluster.Manifest {
	const lingers = 10 * time.Minute
	m := incluster.Manifest{
		Image: o.SuiteImage, Arguments: o.Passed, Needs: needsOf(o), Timeout: o.Timeout, CleanUp: cleanUpBound, Linger: o.Linger, Claim: o.ResultsClaim,
	}
	if m.Image == "" {
		m.Image = incluster.Image(strings.ReplaceAll(version, "+", "-"))
	}
	if m.Linger == 0 && m.Claim == "" { // what a claim keeps need not be fetched
		m.Linger = lingers
	}
	return m
}
