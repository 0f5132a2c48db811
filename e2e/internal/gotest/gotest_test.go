package gotest

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	for name, row := range map[string]struct {
		arguments []string
		want      Process
		asked     bool
	}{
		"by hand": {nil, Process{}, true},
		"by hand, flags": {
			[]string{"-run", "pid1", "test.x"},
			Process{Arguments: []string{"-run", "pid1", "test.x"}}, true,
		},
		"go test ./...": {
			[]string{"-test.paniconexit0", "-test.timeout=10m0s"},
			Process{Started: true, Flags: []string{"-test.paniconexit0"}, Timeout: 10 * time.Minute}, false,
		},
		"go test -v -run": {
			[]string{"-test.paniconexit0", "-test.v=true", "-test.run=TestProcns", "-test.timeout=10m0s"},
			Process{Started: true, Flags: []string{"-test.paniconexit0", "-test.v=true", "-test.run=TestProcns"}, Timeout: 10 * time.Minute}, false,
		},
		"go test -args": {
			[]string{"-test.paniconexit0", "-test.timeout=0s", "-run", "pid1"},
			Process{Started: true, Flags: []string{"-test.paniconexit0"}, Arguments: []string{"-run", "pid1"}}, true,
		},
		"a timeout that is none": {
			[]string{"--test.timeout=soon"},
			Process{Flags: []string{"--test.timeout=soon"}}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Read(row.arguments)
			assert.Equal(t, row.want, got)
			assert.Equal(t, row.asked, got.Asked())
		})
	}
}

func TestBound(t *testing.T) {
	unbound, stop := Process{}.Bound(t.Context())
	defer stop()
	_, bound := unbound.Deadline()
	assert.False(t, bound)
	ctx, stop := Process{Timeout: time.Nanosecond}.Bound(t.Context())
	defer stop()
	<-ctx.Done()
	assert.ErrorContains(t, context.Cause(ctx), "go test -timeout")
}

func TestEnterModule(t *testing.T) {
	module := t.TempDir()
	below := filepath.Join(module, "e2e", "internal")
	require.NoError(t, os.MkdirAll(below, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(module, "go.mod"), nil, 0o600))
	t.Chdir(below)
	require.NoError(t, Process{}.EnterModule())
	here, err := os.Getwd()
	require.NoError(t, err)
	assert.Equal(t, below, here)
	require.NoError(t, Process{Started: true}.EnterModule())
	here, err = os.Getwd()
	require.NoError(t, err)
	assert.Equal(t, module, here)
}

func TestKindFlags(t *testing.T) {
	for name, row := range map[string]struct {
		script string
		flags  []string
		says   string
		conf   string
	}{
		"flags":             {`printf '%s\0' '' -engine docker -image 'a=b c'`, []string{"-engine", "docker", "-image", "a=b c"}, "", "before"},
		"settings":          {`printf '%s\0' /x -engine podman`, []string{"-engine", "podman"}, "", "/x"},
		"no engine":         {`exit 3`, nil, "scripts/on-kind.sh: exit status 3: a kind cluster cannot be prepared", "before"},
		"killed by another": {`kill -KILL $$`, nil, "signal: killed", "before"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CONTAINERS_CONF", "before")
			t.Chdir(scripts(t, row.script))
			flags, err := KindFlags(t.Context(), io.Discard)
			assert.Equal(t, row.flags, flags)
			assert.Equal(t, row.conf, os.Getenv("CONTAINERS_CONF"))
			if row.says == "" {
				require.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, row.says)
		})
	}
}

// TestKindFlagsEndsInTime: what a script started ends with it.
func TestKindFlagsEndsInTime(t *testing.T) {
	folder := scripts(t, `sh -c 'trap "touch ended; exit" TERM; touch began; while :; do sleep 0.01; done'`)
	t.Chdir(folder)
	ctx, stop := Process{Timeout: 10 * time.Second}.Bound(t.Context())
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		// A hundredth of a second: between two looks for what the script writes.
		for ; ctx.Err() == nil; time.Sleep(time.Second / 100) {
			if _, err := os.Stat(filepath.Join(folder, "began")); err == nil {
				cancel(io.EOF)
			}
		}
	}()
	_, err := KindFlags(ctx, io.Discard)
	require.ErrorIs(t, err, io.EOF)
	assert.FileExists(t, filepath.Join(folder, "ended"))
}

// scripts makes a folder in which scripts/on-kind.sh is this one.
func scripts(t *testing.T, script string) string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "scripts"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, onKind), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	return folder
}
