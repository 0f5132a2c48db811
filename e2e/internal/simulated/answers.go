package simulated

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"procns/e2e/internal/pace"
)

// AwaitAnswers waits until so many targets have answered in the results.jsonl that the pattern matches:
// it may not be there yet. Its error is that ctx ended before.
func AwaitAnswers(ctx context.Context, pattern string, many int) error {
	const forever = 1000 * time.Hour // ctx ends it
	var read int64
	var rest []byte // of a line that has no end yet
	seen := 0
	return pace.Until(ctx, forever, func() (bool, error) {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			return false, err
		}
		more, err := readFrom(files[0], read)
		if err != nil {
			return false, err
		}
		read += int64(len(more))
		text := append(rest, more...)
		lines := bytes.SplitAfter(text, []byte("\n"))
		rest = lines[len(lines)-1]
		for _, line := range lines[:len(lines)-1] {
			if bytes.HasPrefix(line, []byte(`{"answered":`)) {
				seen++
			}
		}
		return seen >= many, nil
	})
}

// readFrom reads what a file holds behind an offset.
func readFrom(name string, offset int64) (content []byte, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(file)
}
