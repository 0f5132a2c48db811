package cases

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kernelVariable is a shell variable that holds a path of the kernel's files.
var kernelVariable = regexp.MustCompile(`\b([A-Za-z_][A-Za-z0-9_]*)=["']?/(?:proc|sys)/|\bfor ([A-Za-z_][A-Za-z0-9_]*) in ["']?/(?:proc|sys)/`)

// read is a shell's own reading: its builtin, one that a loop's redirection feeds, and $(<file).
var read = regexp.MustCompile(`\bread\b|\bdone\b|\$\(<`)

// redirected is an input redirection, and where it reads from. A here-document is none.
var redirected = regexp.MustCompile(`(?:^|[^<])<[ \t]*["']?([/$][^\s"';|&)]*)`)

// readsKernelFiles lists the places where a shell itself reads a file of the kernel's. A file below /proc/sys answers at its beginning only, and
// a shell's read asks for one byte after the other: it finds nothing there. Elsewhere
// below /proc and /sys such a read sees what other processes change meanwhile. cat asks
// once.
func readsKernelFiles(text string) []string {
	kernel := map[string]bool{}
	for _, found := range kernelVariable.FindAllStringSubmatch(text, -1) {
		kernel[found[1]+found[2]] = true
	}
	var places []string
	for line := range strings.Lines(text) {
		if !read.MatchString(line) {
			continue
		}
		for _, found := range redirected.FindAllStringSubmatch(line, -1) {
			path := found[1]
			name := regexp.MustCompile(`^\$\{?(\w+)`).FindStringSubmatch(path)
			if strings.HasPrefix(path, "/proc") || strings.HasPrefix(path, "/sys") || name != nil && kernel[name[1]] {
				places = append(places, strings.TrimSpace(line))
			}
		}
	}
	return places
}

// TestNoShellReadsKernelFiles holds all shell of this repository to that: scripts, and
// what stands in manifests and in Go.
func TestNoShellReadsKernelFiles(t *testing.T) {
	root := filepath.Join("..", "..")
	scripts := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name := entry.Name(); path != root && (strings.HasPrefix(name, ".git") || name == "testdata" || name == "_artifacts" || name == "bin") {
				return filepath.SkipDir
			}
			return nil
		case !entry.Type().IsRegular() || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".sh", ".yaml", ".yml", ".go":
		default:
			if !bytes.HasPrefix(raw, []byte("#!")) {
				return nil
			}
		}
		scripts++
		for _, line := range readsKernelFiles(string(raw)) {
			t.Errorf("%s: use cat: %s", path, line)
		}
		return nil
	}))
	assert.Greater(t, scripts, 200, "the files were not found")
}

func TestReadsKernelFiles(t *testing.T) {
	for text, want := range map[string]int{
		"read -r scope </proc/sys/kernel/yama/ptrace_scope":              1,
		"read -r scope 2>/dev/null <\"/proc/sys/kernel/pid_max\"":        1,
		"while read -r key; do :; done < /proc/self/status":              1,
		"done <\"/proc/$2/status\"":                                      1,
		"pids=/sys/fs/cgroup\nread -r now <\"$pids/pids.current\"":       1,
		"for dir in /proc/[0-9]*; do\nread -r line <\"${dir}/stat\"":     1,
		"x=$(</proc/sys/kernel/pid_max)":                                 1,
		"scope=$(cat /proc/sys/kernel/yama/ptrace_scope)":                0,
		"read -r line </shared/full":                                     0,
		"dir=/tmp\nread -r line <\"$dir/stat\"":                          0,
		"cat <<END\n/proc/1\nEND":                                        0,
		"read -ra words <<<\"$TARGET\"":                                  0,
		"while read -r reference; do :; done < <(images)":                0,
		"open() {\n\t: <\"$1\"\n}":                                       0,
		"cat \"/proc/$2/status\" | while read -r key values; do :; done": 0,
		"tr '\\0' ' ' </proc/self/cmdline":                               0,
		"read -r a </proc/b || read -r c <\"/sys/d\"":                    2,
	} {
		assert.Len(t, readsKernelFiles(text), want, "%q", text)
	}
}
