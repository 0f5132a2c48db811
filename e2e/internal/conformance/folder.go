package conformance

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"procns/e2e/internal/archive"
	"procns/e2e/internal/options"
	"procns/e2e/internal/suite"
)

// folder is where a run's reports and evidence go.
type folder struct {
	Path string
	Log  *os.File
	log  *log.Logger
	// reopened says that it is that of an earlier run, of which nothing is removed.
	reopened bool

	mu   sync.Mutex
	lost int   // files of evidence that could not be written
	why  error // the first of them
}

var _ suite.EvidenceSink = (*folder)(nil)

// reserve is the name of the file that keeps room for the reports, and reserved its size in
// bytes: evidence of many pods may fill the volume before there is a verdict.
const (
	reserve  = ".reserve"
	reserved = 4 << 20
)

// makeFolder makes a run's folder, and its log: nothing is done on a cluster that
// could not be told of afterwards. A flat one is the parent itself, unless there is a
// report in it already.
func makeFolder(parent, runID string, flat bool) (*folder, error) {
	f := &folder{Path: filepath.Join(parent, runID)}
	if flat = flat && !holdsReport(parent); flat {
		f.Path = parent
	}
	err := os.MkdirAll(f.Path, 0o755)
	if err == nil {
		f.Log, err = os.Create(filepath.Join(f.Path, "e2e.log"))
	}
	if err == nil && flat {
		err = os.WriteFile(filepath.Join(f.Path, reserve), make([]byte, reserved), 0o600)
	}
	if err != nil {
		if f.Log != nil {
			f.Discard()
		}
		return nil, options.Usagef("the report folder cannot be written: %w: name another with -report-dir", err)
	}
	f.log = log.New(f.Log, "", log.LstdFlags|log.Lmicroseconds)
	return f, nil
}

// reopenFolder goes on in the folder of a run that was interrupted: its log is gone on with.
func reopenFolder(path string) (*folder, error) {
	f := &folder{Path: path}
	var err error
	if f.Log, err = os.OpenFile(filepath.Join(path, "e2e.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644); err != nil {
		return nil, options.Usagef("-resume: the folder cannot be written: %w", err)
	}
	f.log = log.New(f.Log, "", log.LstdFlags|log.Lmicroseconds)
	f.reopened = true
	return f, nil
}

// holdsReport tells whether a run has written its log or its report into a folder.
func holdsReport(folder string) bool {
	for _, name := range []string{"report.json", "e2e.log"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			return true
		}
	}
	return false
}

// Release gives back the room that was kept for the reports.
func (f *folder) Release() { _ = os.Remove(filepath.Join(f.Path, reserve)) }

// Discard forgets a run that is not made after all.
func (f *folder) Discard() {
	f.Release()
	_ = f.Log.Close()
	if f.reopened {
		return
	}
	_ = os.Remove(f.Log.Name())
	_ = os.Remove(f.Path) // if nothing else is in it
}

// Lost says what evidence could not be written, or "".
func (f *folder) Lost() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost == 0 {
		return ""
	}
	return fmt.Sprintf("%d of the files of evidence could not be written: %s", f.lost, oneLine(f.why))
}

// Save implements suite.EvidenceSink.
func (f *folder) Save(below, name string, document any) {
	content, isText := document.(string)
	if !isText {
		encoded, err := json.MarshalIndent(document, "", " ")
		if err != nil {
			f.log.Printf("evidence %s/%s: %v", below, name, err)
			return
		}
		content = string(encoded) + "\n"
	}
	if strings.HasSuffix(name, ".gz") {
		content = string(archive.Gzip([]byte(content)))
	}
	file := filepath.Join(f.Path, below, name)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(content), 0o644)
	}
	if err != nil {
		f.log.Printf("evidence: %v", err)
		f.mu.Lock()
		if f.lost++; f.why == nil {
			f.why = err
		}
		f.mu.Unlock()
	}
}
