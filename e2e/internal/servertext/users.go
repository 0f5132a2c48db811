package servertext

import "regexp"

// refusesUsers is how runtimes, and kubelet, say that they cannot make a user namespace:
// runsc, runc and crun with the errno's text behind it, kubelet and containerd with what is
// not supported.
var refusesUsers = regexp.MustCompile(`(?is)user ?namespaces?\b.*(?:not supported|unsupported|does not support)` +
	`|(?:not supported|unsupported|does not support).*\buser ?namespaces?\b` +
	`|namespaces? of type user\b.*(?:invalid argument|operation not permitted)` +
	`|\buser ?namespaces?\b.*(?:invalid argument|operation not permitted|no space left on device)`)

// RefusesUserNamespace tells from what kubelet says of a sandbox that was not made, in its
// runtime's words, that this is for the user namespace of the pod's own.
func RefusesUserNamespace(said string) bool { return refusesUsers.MatchString(said) }

// refusesIDMap is how runtimes say that a file system of the node cannot be mounted with the IDs of a user namespace
// (mount_setattr(2), MOUNT_ATTR_IDMAP): tmpfs, on which a pod's token and Secrets are, can be from Linux 6.3 on.
var refusesIDMap = regexp.MustCompile(`(?is)(?:MOUNT_ATTR_IDMAP|mount_setattr|\bid-?map(?:ped)?[ -]mounts?\b).*(?:invalid argument|not support|n't support|unsupported)` +
	`|(?:not|n't) support(?:ed)?\b.*\bid-?map(?:ped)?[ -]mounts?\b`)

// RefusesIDMap tells from what kubelet says of a container that was not started, in its runtime's words, that this is
// because a file system of the node takes no user namespace.
func RefusesIDMap(said string) bool { return refusesIDMap.MatchString(said) }
