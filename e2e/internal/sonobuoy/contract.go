// Package sonobuoy keeps the contract between a plugin of Sonobuoy's and the worker beside
// it in its pod: results in a folder that both see, a file that says that they are
// complete, and progress meanwhile.
//
// Source: pkg/worker/worker.go and pkg/plugin/interface.go of Sonobuoy v0.57.
package sonobuoy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"procns/e2e/internal/archive"
	"procns/e2e/internal/whole"
)

// The files in the folder that plugin and worker share.
const (
	// Done holds the path of what the worker sends. It is written last.
	Done = "done"
	// Archive is what it sends. The worker could pack a folder itself, if it were allowed to
	// write there: it may be another user.
	Archive = "procns.tar.gz"
	// ResultsFile holds the results in Sonobuoy's own form. Below a report folder there are
	// other YAML files, so that the plugin names it.
	ResultsFile = "sonobuoy_results.yaml"
)

// Conclude packs a report folder for the worker, and tells it so. Without this the worker
// takes a plugin's results only where the plugin ended with 0. Where they cannot be packed,
// the results' own file is sent alone, and the error says so.
func Conclude(shared, folder string) error {
	send := filepath.Join(shared, Archive)
	packing := archive.WriteFile(send, folder)
	if packing != nil {
		packing = fmt.Errorf("the evidence is not among Sonobuoy's results: %w", packing)
		send = filepath.Join(folder, ResultsFile)
		if _, err := os.Stat(send); err != nil {
			return errors.Join(packing, err)
		}
	}
	telling := whole.Write(filepath.Join(shared, Done), []byte(send+"\n"))
	if telling != nil {
		telling = fmt.Errorf("the worker of Sonobuoy's cannot be told that the results are complete: %w", telling)
	}
	return errors.Join(packing, telling)
}

// Concluded tells whether the worker was told already.
func Concluded(shared string) bool {
	_, err := os.Stat(filepath.Join(shared, Done))
	return err == nil
}
