package cases

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	// fifos are what a script makes FIFOs of.
	fifos = regexp.MustCompile(`\bmkfifo((?: +["']?[/$][^\s;|&<>"']*["']?)+)`)

	// mounted is where a container of a manifest has a volume.
	mounted = regexp.MustCompile(`\bmountPath: *(\S+)`)
)

// unreliableFIFOs lists the FIFOs that tell a container less than a script expects of them. One that is
// read must be opened with both its ends (<>): to open one end alone waits for the other, and where that
// is interrupted, as gVisor does to all containers of a pod whenever one ends, nobody begins anew. One that
// a container of gVisor's makes on a volume is not there for its siblings.
func unreliableFIFOs(text string) []string {
	var found []string
	for _, made := range fifos.FindAllStringSubmatch(text, -1) {
		for _, fifo := range strings.Fields(made[1]) {
			used := func(as string) bool {
				return regexp.MustCompile(as + regexp.QuoteMeta(fifo) + `(?:[^\w/.-]|$)`).MatchString(text)
			}
			onlyWritten := used(`[^<]> *`) && !used(`[^<]< *`) && !used(`\bcat +`)
			if !used(`<> *`) && !onlyWritten {
				found = append(found, fifo+" is opened at one end")
			}
			if slices.ContainsFunc(mounted.FindAllStringSubmatch(text, -1), func(volume []string) bool {
				return strings.HasPrefix(strings.Trim(fifo, `"'`), strings.TrimSuffix(volume[1], "/")+"/")
			}) {
				found = append(found, fifo+" is on a volume")
			}
		}
	}
	return found
}

// TestFIFOs holds all manifests, and all scripts of acts, to that.
func TestFIFOs(t *testing.T) {
	acts, err := filepath.Glob("*.go")
	require.NoError(t, err)
	manifests, err := filepath.Glob("../../fixtures/*.yaml")
	require.NoError(t, err)
	makers := 0
	for _, file := range append(acts, manifests...) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		makers += len(fifos.FindAll(text, -1))
		assert.Empty(t, unreliableFIFOs(string(text)), file)
	}
	assert.GreaterOrEqual(t, makers, 14, "the scripts were not found")
}

func TestUnreliableFIFOs(t *testing.T) {
	for text, want := range map[string]int{
		"mkfifo /tmp/end; read -r word </tmp/end":                                    1,
		"mkfifo /tmp/end; exec 3<>/tmp/end; read -r word <&3":                        0,
		"mkfifo /tmp/end 2>/dev/null; echo end >/tmp/end":                            0,
		"mkfifo /tmp/a /tmp/b || exit\nexec 9<>/tmp/b\nread -r x </tmp/a":            1,
		"mkfifo /tmp/a\nread -r x <\"/tmp/$1\"":                                      1,
		"mkfifo /tmp/a\nread -r x <\"/tmp/$1\" 2>/tmp/a-refused":                     1,
		"mkfifo /tmp/a; read -r x < /tmp/a; echo >/tmp/a":                            1,
		`mkfifo "/tmp/$ORPHAN" || exit; cat "/tmp/$ORPHAN" </dev/null &`:             1,
		`mkfifo "/tmp/$ORPHAN" || exit; cat "/tmp/$ORPHAN" 3<>"/tmp/$ORPHAN" &`:      0,
		`mkfifo "$1" || exit; exec cat "$1"`:                                         1,
		"mkfifo /shared/full; exec 3<>/shared/full\n- mountPath: /shared\n":          1,
		"mkfifo /shared/full; read -r x </shared/full\n- mountPath: /shared/\n":      2,
		"mkfifo /tmp/full; exec 3<>/tmp/full; echo >/shared/x\n- mountPath: /shared": 0,
		`{Code: 127, Stderr: "sh: mkfifo: not found"}`:                               0,
	} {
		assert.Len(t, unreliableFIFOs(text), want, "%q", text)
	}
}
