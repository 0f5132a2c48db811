package conformance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"procns/e2e/internal/suite"
)

// dropped are the targets whose evidence was not kept: a sweep's passes are all alike.
type dropped struct {
	mu      sync.Mutex
	targets map[string]bool
}

func (d *dropped) note(target string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.targets == nil {
		d.targets = map[string]bool{}
	}
	d.targets[target] = true
}

// noteMissing notes the targets of which an earlier run has kept no evidence.
func (d *dropped) noteMissing(path string, results []suite.Result) {
	looked := map[string]bool{}
	for _, r := range results {
		name := r.Target.Name()
		if looked[name] || r.Folder == "" {
			continue
		}
		looked[name] = true
		if _, err := os.Stat(filepath.Join(path, r.Folder)); err != nil {
			d.note(name)
		}
	}
}

// forget has the results name no evidence that was not kept.
func (d *dropped) forget(results []suite.Result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range results {
		if d.targets[results[i].Target.Name()] {
			results[i].Folder, results[i].ControlFolder = "", ""
		}
	}
}

// dropEvidence removes the evidence of a target of a sweep on which everything passed, and
// which is not the sample of its kind. r is its last result: all of it has been written.
func (c *Run) dropEvidence(r suite.Result) {
	name := r.Target.Name()
	if c.report.Sweep == nil || c.KeepOnFailure || slices.Contains(c.report.Sweep.Samples, name) {
		return
	}
	folder, _, below := strings.Cut(r.Folder, "/")
	if !below || folder == "" {
		return
	}
	root, err := os.OpenRoot(c.folder.Path)
	if err == nil {
		err = root.RemoveAll(folder)
		_ = root.Close()
	}
	if err != nil {
		c.folder.log.Printf("evidence of %s: %v", name, err)
		return
	}
	c.dropped.note(name)
}
