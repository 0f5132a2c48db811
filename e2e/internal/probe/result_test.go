package probe

import (
	"testing"

	"gotest.tools/v3/assert"
)

// TestNoSuchExecutable: a program that the image lacks is told from everything else of which
// there is no such file.
func TestNoSuchExecutable(t *testing.T) {
	const oci = "OCI runtime exec failed: exec failed: "
	for text, want := range map[string]bool{
		oci + `unable to start container process: exec: "sh": executable file not found in $PATH`:           true,
		oci + `unable to start container process: exec: "/bin/sh": stat /bin/sh: no such file or directory`: true,
		oci + `unable to start container process: exec: "/bin/sh": no such file or directory`:               true,
		"executable file `sh` not found in $PATH: No such file or directory: OCI runtime error":             true, // crun
		`error finding executable "sh" in PATH [/usr/bin /bin]: no such file or directory`:                  true, // runsc
		`rpc error: code = Internal desc = ENOENT: No such file or directory`:                               true, // kata
		"": false,
		oci + "unable to start container process: can't get final child's PID from pipe: EOF":                                        false,
		oci + "open /proc/4711/ns/pid: no such file or directory":                                                                    false,
		oci + "exec failed: container_linux.go:380: starting container process caused: process_linux.go: no such file or directory":  false,
		"failed to create exec: open /run/containerd/io.containerd.runtime.v2.task/k8s.io/1a/config.json: no such file or directory": false,
		"dial unix /run/containerd/s/1a2b: connect: no such file or directory":                                                       false,
		"failed to open stdout fifo: error creating fifo /run/containerd/fifo/1: no such file or directory":                          false,
		"failed to load task: no running task found: task 1a not found":                                                              false,
		`container not found ("two")`: false,
	} {
		assert.Equal(t, CommandResult{Failure: text}.NoSuchExecutable(), want, text)
		assert.Equal(t, CommandResult{Code: 127, Stderr: text}.NoSuchExecutable(), want, text)
		assert.Equal(t, CommandResult{Code: 1, Stderr: text}.NoSuchExecutable(), false, text)
	}
	assert.Equal(t, CommandResult{Code: 127, Stderr: "cat: /proc/7/environ: No such file or directory"}.NoSuchExecutable(), false)
}
