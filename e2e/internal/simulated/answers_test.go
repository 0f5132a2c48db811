package simulated

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"
)

// TestAwaitAnswers: lines are counted when they are whole, also where one is written in two parts.
func TestAwaitAnswers(t *testing.T) {
	folder := t.TempDir()
	name := filepath.Join(folder, "results.jsonl")
	pattern := filepath.Join(folder, "*.jsonl")
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	done := make(chan error)
	go func() { done <- AwaitAnswers(ctx, pattern, 2) }()
	assert.NilError(t, os.WriteFile(name, []byte("{\"head\":{}}\n{\"answered\":{}}\n{\"result\":{}}\n{\"answ"), 0o600))
	file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0o600)
	assert.NilError(t, err)
	_, err = file.WriteString("ered\":{}}\n")
	assert.NilError(t, errors.Join(err, file.Close()))
	assert.NilError(t, <-done)

	over := errors.New("it is over")
	go func() { done <- AwaitAnswers(ctx, pattern, 3) }()
	stop(over)
	assert.ErrorIs(t, <-done, over)
}
