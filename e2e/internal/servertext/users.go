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
