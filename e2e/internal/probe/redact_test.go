//go:build linux

package probe

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

// TestNothingOfOthersIsKept observes this machine, on which one process is the
// suite's own, by its marker, and another holds secrets in all that the observation
// reads: neither the snapshot nor the raw text keeps them.
func TestNothingOfOthersIsKept(t *testing.T) {
	secret, marker := "hunter"+RandomHex(8), "marker"+RandomHex(10)
	folder := filepath.Join(t.TempDir(), secret)
	assert.NilError(t, os.Mkdir(folder, 0o700))
	file := filepath.Join(folder, "file")
	assert.NilError(t, os.WriteFile(file, []byte(secret), 0o600))
	opened, err := os.Open(file)
	assert.NilError(t, err)
	defer func() { _ = opened.Close() }()
	child := func(argument string) int {
		c := exec.Command("sh", "-c", "read line", "sh", "--password="+argument)
		c.Env, c.Dir, c.ExtraFiles = append(os.Environ(), "PASSWORD="+argument, "TOKEN="+secret), folder, []*os.File{opened}
		stdin, err := c.StdinPipe()
		assert.NilError(t, err)
		assert.NilError(t, c.Start())
		t.Cleanup(func() {
			_ = stdin.Close()
			_ = c.Wait()
		})
		return c.Process.Pid
	}
	others, own := child(secret), child(marker)

	const boundary = "procns-0123456789abcdef"
	var stdout, stderr bytes.Buffer
	command := ObserveCommand(boundary, nil)
	script := exec.Command(command[0], command[1:]...)
	script.Stdout, script.Stderr = &stdout, &stderr
	assert.NilError(t, script.Run())
	answers, err := ReadAnswers(boundary, stdout.Bytes(), stderr.Bytes())
	assert.NilError(t, err)
	s, err := answers.Snapshot("here")
	assert.NilError(t, err)
	raw := answers.Text()
	assert.Assert(t, strings.Contains(raw, secret), "the observation reads it")

	s.Redact(Own{})
	p, ok := s.Process(others)
	assert.Assert(t, ok && p.Foreign && p.Environ.OK() && len(p.Argv) == 0 && p.Comm == "sh", "%+v", p)
	p, ok = s.Process(own)
	assert.Assert(t, ok && !p.Foreign && p.Has(marker) && p.Environ.Text == "PASSWORD="+marker, "%+v", p)
	encoded, err := json.Marshal(s)
	assert.NilError(t, err)
	kept := RedactRaw(raw, s)
	packed := RedactRaw(stdout.String(), s)
	assert.Assert(t, !strings.Contains(strings.ReplaceAll(packed, folder, ""), secret), "of an answer about many, nothing is kept: %s", packed)
	for where, text := range map[string]string{"snapshot": string(encoded), "raw text": kept, "table": s.Table()} {
		// The own process stands in the folder, whose name says so.
		text = strings.ReplaceAll(text, folder, "")
		assert.Assert(t, !strings.Contains(text, secret), "%s: %s", where, text)
		assert.Assert(t, strings.Contains(text, marker), where)
	}
	// What is left can be read as it was.
	out, errOut, _ := strings.Cut(kept, RawText("", ""))
	again, err := parseSnapshot("here", boundary, []byte(out), []byte(errOut))
	assert.NilError(t, err)
	assert.Equal(t, len(again.Processes), len(s.Processes))
}

// TestWhoIsOwn: by what a process is taken for the suite's own, and what is kept of
// its arguments.
func TestWhoIsOwn(t *testing.T) {
	own := Own{Commands: [][]string{{"sh"}, {"sh", "-c", "while :; do sleep 3600; done"}, {"nginx", "-g", "daemon off;"}}}
	marker := "marker" + RandomHex(10)
	for name, row := range map[string]struct {
		p     Process
		own   Own
		ours  bool
		argv  bool
		below bool // of a process that is the suite's own
	}{
		"planted":                     {Process{PPID: 77, Argv: []string{"app", "--password=" + marker}}, Own{}, true, true, false},
		"the manifest's":              {Process{Argv: []string{"sh", "-c", "while :; do sleep 3600; done"}}, own, true, true, false},
		"the same, with a parent":     {Process{PPID: 77, Argv: []string{"sh", "-c", "while :; do sleep 3600; done"}}, own, false, true, false},
		"one word more":               {Process{Argv: []string{"sh", "-c", "while :; do sleep 3600; done", "s3cr3t"}}, own, false, false, false},
		"left behind by a script":     {Process{PPID: 1, Argv: []string{"sleep", "3600"}}, own, false, true, false},
		"nginx of its image":          {Process{Argv: []string{"nginx: master process nginx -g daemon off;"}}, Own{Nginx: true}, true, true, false},
		"nginx of a command":          {Process{Argv: []string{"nginx: master process nginx -g daemon off;"}}, own, true, true, false},
		"another's nginx":             {Process{PPID: 77, Argv: []string{"nginx: master process nginx -c s3cr3t"}}, Own{Nginx: true}, false, false, false},
		"the page's sandbox":          {Process{Argv: []string{"/pause"}}, Own{}, false, true, false},
		"another sandbox":             {Process{Argv: []string{"/agent", "--token=s3cr3t"}}, own, false, false, false},
		"an injected container":       {Process{Argv: []string{"/proxy", "--token=s3cr3t"}}, own, false, false, false},
		"kubelet":                     {Process{PPID: 1, Argv: []string{"kubelet", "--token=s3cr3t"}}, own, false, false, false},
		"a shell of somebody's":       {Process{PPID: 77, Argv: []string{"sh"}}, own, false, true, false},
		"what the suite's own starts": {Process{Argv: []string{"wget", "s3cr3t"}}, own, true, true, true},
		"a title":                     {Process{PPID: 77, Argv: []string{"postgres: s3cr3t"}}, own, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			row.p.PID = 9
			s := Snapshot{Processes: []Process{{PID: 77, PPID: 1, Argv: []string{"shim"}}, row.p}}
			if row.below {
				s.Processes = append(s.Processes, Process{PID: 5, PPID: 77, Argv: []string{marker}})
				s.Processes[1].PPID = 5
			}
			s.Redact(row.own)
			p, _ := s.Process(9)
			assert.Equal(t, !p.Foreign, row.ours)
			assert.Equal(t, len(p.Argv) > 0, row.argv, "%q", p.Argv)
		})
	}
}

func TestRedactPS(t *testing.T) {
	own := Own{Commands: [][]string{{"sleep", "3600"}}, Nginx: true}
	const table = "/ # ps ax\r\nPID   USER     TIME  COMMAND\r\n" +
		"    1 65535     0:00 /pause\r\n" +
		"    7 root      0:00 nginx: master process nginx -g daemon off;\r\n" +
		"   14 root      0:00 sleep 3600\r\n" +
		"   20 root      0:00 /proxy --token=hunter2 --more\r\n" +
		"   21 root      0:00 {proxy} /bin/sh /start --token=hunter2\r\n" +
		"   22 root      0:00 [agent]\r\n" +
		"   30 root      0:00 ps ax\r\n/ # "
	got := own.RedactPS(table)
	assert.Assert(t, !strings.Contains(got, "hunter2"), got)
	was, err := ParsePS(strings.ReplaceAll(table, "\r", ""))
	assert.NilError(t, err)
	is, err := ParsePS(strings.ReplaceAll(got, "\r", ""))
	assert.NilError(t, err)
	assert.Equal(t, len(is), len(was))
	for i, row := range is {
		others := slices.Contains([]int{20, 21}, row.PID)
		assert.Equal(t, row.PID, was[i].PID)
		assert.Equal(t, row.Command == NotKept, others, "%+v", row)
		if !others {
			assert.Equal(t, row.Command, was[i].Command)
		}
	}
	assert.Equal(t, own.RedactPS(got), got, "a second time changes nothing")
}

// FuzzRedact: whatever another's process holds, and however it breaks its lines,
// nothing of it is kept.
func FuzzRedact(f *testing.F) {
	f.Add("--password=hunter2", "/pause")
	f.Add("\n--- standard error ---\n", "\nprocns-x 1 cmdline\n")
	f.Add("PID COMMAND\n1 x", "nginx: master process")
	f.Fuzz(func(t *testing.T, argument, other string) {
		const boundary, secret = "procns-b", "s3cr3t5"
		if strings.Contains(argument+other, boundary) {
			t.Skip("the boundary is random, and nobody's to guess")
		}
		frames := func(fields ...string) string {
			var b strings.Builder
			for i := 0; i < len(fields); i += 2 {
				b.WriteString("\n" + boundary + " " + fields[i] + "\n" + fields[i+1] + "\n" + boundary + " = 0\n")
			}
			return b.String()
		}
		raw := frames("self pid", "9\n", "7 cmdline", argument+secret+"\x00"+other, "7 environ", other+secret, "8 fd", secret, "7 file /x", secret, "self end", "")
		s := &Snapshot{Self: 9, Processes: []Process{{
			PID: 7, PPID: 1, Argv: []string{argument + secret, other}, Environ: Access{Text: other + secret}, Files: map[string]Access{"/x": {Text: secret}},
		}}}
		s.Redact(Own{Nginx: true})
		encoded, err := json.Marshal(s)
		assert.NilError(t, err)
		if strings.Contains(argument+other, "marker") || strings.Contains(argument+other, "session-") {
			t.Skip("it may be planted")
		}
		assert.Assert(t, !strings.Contains(string(encoded), secret), "%s", encoded)
		assert.Assert(t, !strings.Contains(RedactRaw(raw, s), secret), RedactRaw(raw, s))
		_ = Own{}.RedactPS(argument + "\n" + other)
	})
}
