package cluster

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"
)

// hostRoot makes a root folder that looks like a host's.
func hostRoot(t *testing.T, unified bool, bounding string) string {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc/self"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "sys/fs/cgroup"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "proc/self/status"), []byte("Name:\tx\nCapBnd:\t"+bounding+"\n"), 0o644))
	if unified {
		require.NoError(t, os.WriteFile(filepath.Join(root, "sys/fs/cgroup/cgroup.controllers"), nil, 0o644))
	}
	return root
}

func TestDetectHost(t *testing.T) {
	for name, row := range map[string]struct {
		unified  bool
		bounding string
		want     Host
		changes  int
	}{
		"nothing restricted":   {true, "000001ffffffffff", Host{CanLowerOOMScore: true}, 0},
		"cgroup v1":            {false, "000001ffffffffff", Host{CgroupV1: true, CanLowerOOMScore: true}, 1},
		"without SYS_RESOURCE": {true, "000001fffeffffff", Host{}, 1},
		"both":                 {false, "000001fffeffffff", Host{CgroupV1: true}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DetectHost(hostRoot(t, row.unified, row.bounding))
			require.NoError(t, err)
			assert.Equal(t, row.want, got)
			assert.Len(t, got.Changes(), row.changes)
		})
	}
	_, err := DetectHost(t.TempDir())
	assert.Error(t, err, "a host without /proc is no answer")
	_, err = DetectHost(hostRoot(t, true, "not hexadecimal"))
	assert.Error(t, err)
}

func TestConfigure(t *testing.T) {
	const config = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n- role: control-plane\n- role: worker\n- role: worker\n"
	parse := func(raw []byte) v1alpha4.Cluster {
		var c v1alpha4.Cluster
		require.NoError(t, yaml.UnmarshalStrict(raw, &c))
		return c
	}
	effective, nodes, causes, err := Host{CanLowerOOMScore: true}.Configure([]byte(config))
	require.NoError(t, err)
	assert.Equal(t, 3, nodes)
	assert.Empty(t, causes, "a host that restricts nothing is left alone")
	assert.Empty(t, parse(effective).KubeadmConfigPatches)

	effective, _, causes, err = Host{CgroupV1: true}.Configure([]byte(config))
	require.NoError(t, err)
	assert.Len(t, causes, 2)
	mended := parse(effective)
	require.Len(t, mended.KubeadmConfigPatches, 1)
	assert.Contains(t, mended.KubeadmConfigPatches[0], "failCgroupV1: false")
	require.Len(t, mended.ContainerdConfigPatches, 2, "one for each version of the configuration")

	_, _, _, err = Host{}.Configure([]byte("nodez: []"))
	require.Error(t, err)
	assert.Contains(t, err.Error(), "kind-config.yaml")
}

func TestScarceInstances(t *testing.T) {
	for name, row := range map[string]struct {
		file  string
		nodes int
		want  string
	}{
		"three nodes, Linux's default": {"128\n", 3, ""},
		"nine nodes":                   {"128\n", 9, "this machine has 128 inotify instances for a user, which may be too few for 9 nodes: if they do not get Ready, raise them (sysctl -w fs.inotify.max_user_instances=512)"},
		"nine nodes, raised":           {"1024\n", 9, ""},
		"hundred nodes":                {"1024\n", 100, "this machine has 1024 inotify instances for a user, which may be too few for 100 nodes: if they do not get Ready, raise them (sysctl -w fs.inotify.max_user_instances=3600)"},
		"unreadable":                   {"many\n", 9, ""},
		"not there":                    {"", 9, ""},
	} {
		root := t.TempDir()
		if row.file != "" {
			folder := filepath.Join(root, "proc/sys/fs/inotify")
			require.NoError(t, os.MkdirAll(folder, 0o755), name)
			require.NoError(t, os.WriteFile(filepath.Join(folder, "max_user_instances"), []byte(row.file), 0o600), name)
		}
		assert.Equal(t, row.want, ScarceInstances(root, row.nodes), name)
	}
}
