package servertext

import (
	"regexp"
	"testing"
)

// FuzzRefusesUserNamespace: whatever a runtime says, it is taken for a refusal only where it
// speaks of users' namespaces.
func FuzzRefusesUserNamespace(f *testing.F) {
	f.Add("cannot create gofer process: gofer: error setting namespace of type user for container: invalid argument")
	f.Add(`RuntimeClass handler "x" does not support user namespaces`)
	f.Add("failed to create network namespace: invalid argument")
	f.Add("unshare user namespace:\nOperation not permitted")
	speaks := regexp.MustCompile(`(?i)user ?namespace|namespaces? of type user`)
	f.Fuzz(func(t *testing.T, said string) {
		if RefusesUserNamespace(said) && !speaks.MatchString(said) {
			t.Errorf("%q refuses no user namespace", said)
		}
	})
}

// FuzzRefusesIDMap: whatever a runtime says, it is taken for a refusal only where it speaks of such mounts.
func FuzzRefusesIDMap(f *testing.F) {
	f.Add("failed to set MOUNT_ATTR_IDMAP on /var/lib/kubelet/pods/x/volumes: invalid argument (maybe the filesystem used doesn't support idmap mounts on this kernel?)")
	f.Add("mount_setattr `/sys`: Invalid argument")
	f.Add("snapshotter overlayfs doesn't support idmap mounts on this host")
	f.Add("failed to mount /proc: invalid argument")
	speaks := regexp.MustCompile(`(?i)MOUNT_ATTR_IDMAP|mount_setattr|id-?map`)
	f.Fuzz(func(t *testing.T, said string) {
		if RefusesIDMap(said) && !speaks.MatchString(said) {
			t.Errorf("%q refuses no such mount", said)
		}
	})
}
