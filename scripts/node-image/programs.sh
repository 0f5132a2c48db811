# shellcheck shell=bash
# The programs of a node and of its control plane, each built from a Go module. Part of node-image.sh, which sources it.

set -euo pipefail

# version_of MODULE_FOLDER MODULE prints the version that the folder's go.mod pins.
version_of() {
	(cd "$1" && GOWORK=off GOFLAGS=-mod=readonly go list -m -f '{{.Version}}' "$2")
}

# go_part NAME FOLDER FUNCTION ARGUMENTS... builds programs of one Go module into the folder RESULT.
go_part() {
	local name="$1" module="$2" build="$3" folder hash
	shift 3
	folder="$(tr -c 'a-z0-9.\n' '-' <<<"${name/: /-}")"
	hash="$(hash_of "$module" "$GO_VERSION" "$ROOT/scripts/go.sh" "$(declare -f go_build "$build")")"
	cached "$folder" "$hash" "$name" "$build" "$module" "$@"
}

build_kubernetes() {
	local module="$1" version="$2" command="$3" package flags='-s -w' minor
	minor="${version#v1.}"
	# kubeadm reads its own version from here, and refuses to work without one.
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean"
	done
	go_build "$module" -ldflags "$flags" "k8s.io/kubernetes/cmd/$command"
}

build_containerd() {
	local name=github.com/containerd/containerd
	case $2 in v1.*) ;; *) name+=/v2 ;; esac
	# Snapshotters that need a C library or a kernel that a node does not have.
	go_build "$1" -tags no_btrfs,no_aufs,no_zfs,no_devmapper -ldflags "-s -w -X $name/version.Version=$2" tool
}

# build_runc: runc is C as well as Go (its first steps in a container come before Go's), and is linked
# with libseccomp. Static, so that it does not need the node's C library. Left out is libpathrs, a
# library in Rust.
build_runc() {
	(
		cd "$1"
		CGO_ENABLED=1 GOOS=linux GOWORK=off GOFLAGS=-mod=readonly go build -trimpath -buildmode=pie -o "$OLDPWD/" \
			-tags seccomp,urfave_cli_no_docs,netgo,osusergo -ldflags '-s -w -linkmode external -extldflags -static-pie' tool
	)
}

runc_part() {
	require_packages gcc libc6-dev libseccomp-dev pkg-config
	go_part runc "$IMAGES/runc" build_runc
}

build_cni_plugins() {
	local version
	version="$(version_of "$1" github.com/containernetworking/plugins)"
	go_build "$1" -ldflags "-s -w -X github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion=$version" tool
}

# build_cri_tools: kind asks crictl for a node's images, when it loads some and when it collects logs.
build_cri_tools() {
	local version
	version="$(version_of "$1" sigs.k8s.io/cri-tools)"
	go_build "$1" -ldflags "-s -w -X sigs.k8s.io/cri-tools/pkg/version.Version=$version" tool
}

build_etcd() {
	go_build "$1" -ldflags '-s -w' tool
	mv server etcd
}

build_coredns() {
	go_build "$1" -ldflags '-s -w' .
}
