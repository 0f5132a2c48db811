package conformance

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/cluster"
	"procns/e2e/internal/page"
	"procns/e2e/internal/progress"
	"procns/e2e/internal/report"
	"procns/e2e/internal/sonobuoy"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
	"procns/e2e/internal/whole"
)

// WriteReports writes every document and the terminal's summary, and returns the
// exit code.
func (c *Run) WriteReports(output io.Writer) int {
	r := &c.report
	r.Finished = time.Now()
	r.Stats.WallSeconds = r.Finished.Sub(r.Started).Seconds()
	r.Stats.Pods = int(c.counts.Pods.Load())
	r.Stats.APIRequests = int(c.counts.Requests.Load())
	r.Stats.Execs = int(c.counts.Execs.Load())
	r.Rerun = func(result suite.Result) string { return c.again("-run '" + result.Case.ID + "'") }
	r.ByHand = c.lookByHand
	for _, row := range c.changes.Rows() {
		r.Notes = append(r.Notes, row.String())
	}
	c.compareWithBaseline()
	for _, said := range []string{c.folder.Lost(), c.stream.close()} {
		if said != "" {
			c.say("procns: %s", said)
			r.Notes = append(r.Notes, said)
		}
	}
	complete, err := r.Complete()
	complete.Observed = observedIn(c.folder.Path, complete)
	r.Observed = complete.Observed
	c.folder.Release()
	code := r.Verdict().ExitCode
	for _, document := range c.documents(complete, err) {
		var text bytes.Buffer
		err := document.write(&text, *r)
		if err == nil {
			err = whole.Write(filepath.Join(c.folder.Path, document.name), text.Bytes())
		}
		if err == nil && document.name == "summary.md" {
			err = appendSummary(os.Getenv("GITHUB_STEP_SUMMARY"), text.Bytes())
		}
		if err != nil {
			c.say("procns: %s could not be written: %v", document.name, err)
			code = max(code, suite.ExitUsage)
		}
	}
	code = max(code, c.writeLog(), c.conclude())
	v := r.Verdict()
	c.view.Tell(progress.Event{
		Kind: progress.RunEnded, Outcome: v.Outcome, ExitCode: &code, Seconds: r.Stats.WallSeconds, Line: v.Line, Run: r.ID, Folder: r.Folder,
	})
	c.CloseView()
	if err := c.print(output); err != nil && !r.Interrupted {
		code = max(code, suite.ExitUsage)
	}
	return code
}

// writeLog ends the log. It comes before the terminal's text: who closed the terminal finds
// there what was to be read. Where it cannot be written, the terminal's text is all there
// is, and has all of it.
func (c *Run) writeLog() (code int) {
	var text bytes.Buffer
	err := report.WriteTerminal(&text, c.report, report.Style{})
	if err == nil {
		_, err = c.folder.Log.Write(text.Bytes())
	}
	if err != nil {
		c.say("procns: the log could not be written: %v", err)
		c.Verbose = true
		if !c.report.Interrupted {
			code = suite.ExitUsage
		}
	}
	_ = c.folder.Log.Sync()
	_ = c.folder.Log.Close()
	return code
}

// document is one form of the report.
type document struct {
	name  string
	write func(io.Writer, report.Run) error
}

// documents are the forms that are written, the shortest first: where the disk is full, it
// holds at least these. Two are written from the complete document, or say what is wrong with it.
func (c *Run) documents(complete report.Document, wrong error) []document {
	of := func(write func(io.Writer) error) func(io.Writer, report.Run) error {
		return func(w io.Writer, _ report.Run) error {
			if wrong != nil {
				return wrong
			}
			return write(w)
		}
	}
	all := []document{
		{"summary.md", report.WriteMarkdown}, {"junit_01.xml", report.WriteJUnit},
		{"report.json", of(complete.Write)}, {"report.html", of(func(w io.Writer) error { return page.Write(w, complete) })},
	}
	if c.around.Sonobuoy != "" {
		all = append([]document{{sonobuoy.ResultsFile, report.WriteSonobuoy}}, all...)
	}
	return all
}

// appendSummary adds to the page that GitHub shows of a workflow's step.
func appendSummary(file string, markdown []byte) error {
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(markdown)
	return errors.Join(err, f.Close())
}

// lookByHand are the commands that create a case's pod, as the run did, and look.
func (c *Run) lookByHand(result suite.Result) string {
	return result.LookByHand(c.kubectl(), c.folder.Path)
}

// kubectl is how kubectl reaches the run's cluster.
func (c *Run) kubectl() string {
	kubectl := "kubectl"
	switch {
	case c.Kubeconfig == "":
	case len(cluster.KubeconfigFiles(c.Kubeconfig)) > 1: // its flag takes one file only
		kubectl = "KUBECONFIG=" + shellescape.Quote(c.Kubeconfig) + " kubectl"
	default:
		kubectl += " --kubeconfig " + c.Kubeconfig
	}
	if c.Context != "" {
		kubectl += " --context " + c.Context
	}
	return kubectl
}

// again is the command that repeats this run with one more flag.
func (c *Run) again(flag string) string {
	if c.kind != nil {
		return "make e2e ARGS=\"" + flag + "\""
	}
	return strings.Join(append(append([]string{"procns.test"}, c.clusterFlags()...), flag), " ")
}

// clusterFlags name the cluster, the targets and the images, as this run had them.
func (c *Run) clusterFlags() []string {
	var flags []string
	add := func(name, value string) {
		if value != "" {
			flags = append(flags, name, shellescape.Quote(value))
		}
	}
	add("-kubeconfig", c.Kubeconfig)
	add("-context", c.Context)
	if c.InCluster {
		flags = append(flags, "-in-cluster")
	}
	if c.Nodes != targets.Sample {
		add("-nodes", c.Nodes)
	}
	add("-runtime-classes", strings.Join(c.RuntimeClasses, ","))
	if c.Tolerate.All {
		add("-tolerate", "all")
	}
	for _, t := range c.Tolerate.List {
		text := t.Key
		if t.Operator == corev1.TolerationOpEqual {
			text += "=" + t.Value
		}
		add("-tolerate", text+":"+string(t.Effect))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Images)) {
		add("-image", name+"="+c.Images[name])
	}
	for _, asked := range []struct {
		flag string
		all  map[string]string
	}{{"-namespace-label", c.NamespaceLabels}, {"-pod-label", c.PodLabels}, {"-pod-annotation", c.PodAnnotations}} {
		for _, key := range slices.Sorted(maps.Keys(asked.all)) {
			add(asked.flag, key+"="+asked.all[key])
		}
	}
	add("-registry", c.Registry)
	add("-pull-secret", c.PullSecret)
	return flags
}
