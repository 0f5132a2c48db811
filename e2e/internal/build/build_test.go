package build

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecorded(t *testing.T) {
	for name, row := range map[string]struct {
		settings []debug.BuildSetting
		commit   string
	}{
		"nothing":              {nil, "unknown"},
		"a commit":             {[]debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}}, "abc"},
		"a changed source":     {[]debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: "abc"}}, "abc-dirty"},
		"changed from nothing": {[]debug.BuildSetting{{Key: "vcs.modified", Value: "true"}}, "unknown"},
	} {
		assert.Equal(t, row.commit, recorded(row.settings), name)
	}
}

// TestCommit: what was linked in goes before what the go command recorded.
func TestCommit(t *testing.T) {
	defer func(was string) { commit = was }(commit)
	commit = "linked"
	assert.Equal(t, "linked", Commit())
	commit = ""
	assert.NotEmpty(t, Commit())
}

func TestWrite(t *testing.T) {
	info := Of("v1.2.3", 7, "0123")
	info.Commit, info.Go, info.Platform = "abc-dirty", "go1.99", "linux/arm64"
	var text bytes.Buffer
	require.NoError(t, info.Write(&text))
	assert.Equal(t, "procns     v1.2.3\ncommit     abc-dirty\nGo         go1.99 linux/arm64\ncatalogue  7 cases, SHA-256 0123\n", text.String())
	assert.Equal(t, runtime.Version(), Of("v", 0, "").Go)
}
