package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"procns/e2e/cases"
	"procns/e2e/internal/suite"
)

const byHand = "../../../scripts/by-hand.sh"

// byHandAreas are the files that it sources.
const byHandAreas = "../../../scripts/by-hand/*.sh"

// notByHand are the Core cases that by-hand.sh leaves out, with the reason.
var notByHand = map[string]string{}

// TestByHandNamesItsCases: the script asserts each Core case by its ID, or leaves it out for a reason, and
// names no other case.
func TestByHandNamesItsCases(t *testing.T) {
	files, err := filepath.Glob(byHandAreas)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var script strings.Builder
	for _, file := range append(files, byHand) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		script.Write(text)
	}
	core := map[string]bool{}
	areas := map[string]bool{}
	for _, c := range cases.All() {
		areas[c.Area()] = true
		core[c.ID] = c.Level == suite.Core
	}
	named := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?:expect "?|id=)([a-z0-9]+/[a-z0-9$-]+)`).FindAllStringSubmatch(script.String(), -1) {
		id := found[1]
		if !strings.Contains(id, "$kind") {
			named[id] = true
			continue
		}
		for _, kind := range []string{"deployment", "replicaset", "statefulset", "daemonset", "job"} { // as its loop says
			named[strings.ReplaceAll(id, "$kind", kind)] = true
		}
	}
	for id := range named {
		require.True(t, core[id], "%s is no Core case", id)
		require.Empty(t, notByHand[id], "%s is asserted, and said to be left out", id)
	}
	for id, isCore := range core {
		require.True(t, !isCore || named[id] || notByHand[id] != "", "%s is Core, and by-hand.sh does not assert it", id)
	}
}

// TestByHandCleansUp: whatever fails, the script deletes its namespace and does not end with 0.
func TestByHandCleansUp(t *testing.T) {
	for name, c := range map[string]struct {
		fails string // a case pattern of bash, which the arguments match
		code  int
		says  string
	}{
		"no namespace":          {fails: "create*", code: 3},
		"a pod is refused":      {fails: "*apply*", code: 3},
		"a pod is not ready":    {fails: "*wait*", code: 3},
		"exec does not work":    {fails: "*exec*", code: 3},
		"nothing is as it says": {fails: "nothing", code: 1, says: "FAIL  admission/text-is-refused"},
		"it cannot be deleted":  {fails: "delete*", code: 3},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			calls := filepath.Join(folder, "calls")
			kubectl := "#!/bin/bash\necho \"$*\" >>" + calls + "\ncase \"$*\" in " + c.fails + ") exit 1 ;; esac\n[[ $* != *'apply -f -' ]] || cat >/dev/null\n"
			require.NoError(t, os.WriteFile(filepath.Join(folder, "kubectl"), []byte(kubectl), 0o755))
			areas := []string{"security", "admission"}
			if c.says != "" {
				areas = areas[1:]
			}
			cmd := exec.Command(byHand, areas...)
			cmd.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "TMPDIR="+folder, "NODE=worker")
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "%s", out)
			require.Equal(t, c.code, cmd.ProcessState.ExitCode(), "%s", out)
			require.Contains(t, string(out), c.says)
			made, err := os.ReadFile(calls)
			require.NoError(t, err)
			lines := strings.Split(strings.TrimSpace(string(made)), "\n")
			require.Regexp(t, `^create namespace procns-by-hand-[0-9a-f]{8}$`, lines[0])
			require.Regexp(t, `^delete namespace procns-by-hand-[0-9a-f]{8} --ignore-not-found$`, lines[len(lines)-1])
			left, err := filepath.Glob(filepath.Join(folder, "tmp.*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
