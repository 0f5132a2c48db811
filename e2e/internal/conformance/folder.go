package conformance

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"

	"procns/e2e/internal/options"
	"procns/e2e/internal/suite"
)

// folder is where a run's reports and evidence go.
type folder struct {
	Path string
	Log  *os.File
	log  *log.Logger
}

var _ suite.EvidenceSink = (*folder)(nil)

// makeFolder makes a run's folder, and its log: nothing is done on a cluster that
// could not be told of afterwards.
func makeFolder(parent, runID string) (*folder, error) {
	f := &folder{Path: filepath.Join(parent, runID)}
	err := os.MkdirAll(f.Path, 0o755)
	if err == nil {
		f.Log, err = os.Create(filepath.Join(f.Path, "e2e.log"))
	}
	if err != nil {
		return nil, options.Usagef("the report folder cannot be written: %w: name another with -report-dir", err)
	}
	f.log = log.New(f.Log, "", log.LstdFlags|log.Lmicroseconds)
	return f, nil
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
	file := filepath.Join(f.Path, below, name)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(content), 0o644)
	}
	if err != nil {
		f.log.Printf("evidence: %v", err)
	}
}
