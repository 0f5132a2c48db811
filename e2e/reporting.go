package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// writeReports writes every document and the terminal's summary, and returns the
// exit code.
func (c *conformance) writeReports(output io.Writer) int {
	r := &c.report
	r.Finished = time.Now()
	r.Stats.WallSeconds = r.Finished.Sub(r.Started).Seconds()
	r.Stats.Pods = int(c.counts.Pods.Load())
	r.Stats.APIRequests = int(c.counts.Requests.Load())
	r.Stats.Execs = int(c.counts.Execs.Load())
	r.Rerun = func(result suite.Result) string { return c.again("-run '" + result.Case.ID + "'") }
	r.ByHand = c.lookByHand
	code := r.Verdict().ExitCode
	for name, write := range map[string]func(io.Writer, report.Run) error{
		"report.json": report.WriteJSON, "junit_01.xml": report.WriteJUnit, "summary.md": report.WriteMarkdown,
	} {
		var document bytes.Buffer
		err := write(&document, *r)
		if err == nil {
			err = os.WriteFile(filepath.Join(c.folder, name), document.Bytes(), 0o644)
		}
		if err != nil {
			c.say("procns: %s could not be written: %v", name, err)
			code = max(code, suite.ExitUsage)
		}
	}
	if err := report.WriteTerminal(io.MultiWriter(output, c.logTo), *r, report.Style{}); err != nil {
		code = max(code, suite.ExitUsage)
	}
	_ = c.logTo.Close()
	return code
}

// lookByHand are the commands that create a case's pod, as the run did, and look.
func (c *conformance) lookByHand(result suite.Result) string {
	kubectl := "kubectl"
	if c.kubeconfig != "" {
		kubectl += " --kubeconfig " + c.kubeconfig
	}
	if c.context != "" {
		kubectl += " --context " + c.context
	}
	return result.LookByHand(kubectl, c.folder)
}

// again is the command that repeats this run with one more flag.
func (c *conformance) again(flag string) string {
	if c.kind != nil {
		return "make e2e ARGS=\"" + flag + "\""
	}
	command := "procns.test"
	if c.kubeconfig != "" {
		command += " -kubeconfig " + c.kubeconfig
	}
	if c.context != "" {
		command += " -context " + c.context
	}
	for _, name := range slices.Sorted(maps.Keys(c.images)) {
		command += " -image " + name + "=" + c.images[name]
	}
	return command + " " + flag
}

// evidence writes documents below the run's folder.
type evidence struct {
	folder string
	log    *log.Logger
}

// Save implements suite.EvidenceSink.
func (e evidence) Save(folder, name string, document any) {
	content, isText := document.(string)
	if !isText {
		encoded, err := json.MarshalIndent(document, "", " ")
		if err != nil {
			e.log.Printf("evidence %s/%s: %v", folder, name, err)
			return
		}
		content = string(encoded) + "\n"
	}
	file := filepath.Join(e.folder, folder, name)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(content), 0o644)
	}
	if err != nil {
		e.log.Printf("evidence: %v", err)
	}
}
