#!/usr/bin/env bash
# Prints the reference of a kind node image which the container engine has:
#
#     scripts/node-image.sh
#     K8S_VERSION=v1.36.3 scripts/node-image.sh
#     CONTAINERD_VERSION=v2.2.9 scripts/node-image.sh
#     NODE_IMAGE=registry.example/node:v1.35.0 scripts/node-image.sh
#     scripts/node-image.sh control-plane     the files of a control plane's programs, and no image: needs no engine
#
# NODE_IMAGE if it is given; else one that was built here before from the same inputs; else kind's
# own default image, if a registry can be reached and neither K8S_VERSION nor CONTAINERD_VERSION asks
# for another version;
# else an image built here from Go modules and the distribution's packages, which takes a while
# once: every part of it is cached by the content it is made of.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly DEFAULT_VERSION=v1.37.2
readonly DEFAULT_CONTAINERD=v2.4.2
readonly NODE="$IMAGES/node/rootfs"

# What a node is made of besides what is built here. Debian and Ubuntu have all of it under these names.
readonly BASE_PACKAGES=(
	systemd systemd-sysv # process 1
	runc                 # an older one than ours (handler runc-old), to compare with
	iptables nftables conntrack iproute2 ethtool kmod
	mount procps ca-certificates
)

# Where the containerd that imports images listens. A socket's path has room for 107 characters,
# and the path of the cache can be longer: this is the current folder of whoever opens it.
readonly SOCKET=/proc/self/cwd/containerd.sock

# The commands that kube-proxy needs in its image, next to itself.
readonly NETFILTER=(/usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi /usr/sbin/nft /usr/sbin/conntrack /bin/dash)

#
# The parts: each function fills the current folder, which `cached` keeps under a content hash.
#

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

# build_base makes the distribution's part: the node's root, and kube-proxy's, which is a few
# commands and libraries out of the same root.
build_base() {
	debian_root root "${BASE_PACKAGES[@]}"
	only_what_a_container_needs root
	pack root | gzip -1n >node.tar.gz
	mkdir netfilter
	copy_commands root netfilter "${NETFILTER[@]}"
	add_iptables netfilter
	pack netfilter "${OURS[@]}" | gzip -1n >netfilter.tar.gz
	rm -rf root netfilter
}

# only_what_a_container_needs keeps systemd from waiting for hardware, consoles and logins: the
# units are left, but nothing asks for them.
only_what_a_container_needs() {
	local root="$1" units="$1/lib/systemd/system"
	rm -f "$units"/multi-user.target.wants/* "$units"/local-fs.target.wants/* "$root"/etc/systemd/system/*.wants/* \
		"$units"/sockets.target.wants/*udev* "$units"/sockets.target.wants/*initctl* "$units"/basic.target.wants/*
	ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
	ln -sf /dev/null "$root/etc/systemd/system/systemd-binfmt.service"
	ln -sf /dev/null "$root/etc/systemd/system/console-getty.service"
	# The kernel's log is the host's, not the node's.
	mkdir -p "$root/etc/systemd/journald.conf.d"
	printf '[Journal]\nReadKMsg=no\n' >"$root/etc/systemd/journald.conf.d/node.conf"
	rm -f "$root/etc/machine-id"
}

# copy_commands ROOT TARGET COMMAND... copies programs and the modules of iptables, each with the
# libraries it is linked to.
copy_commands() {
	local root="$1" target="$2" file modules
	shift 2
	modules="$(cd "$root" && find usr/lib/*/xtables -name '*.so' -printf '/%p\n')"
	{
		printf '%s\n' "$@" "$modules"
		# shellcheck disable=SC2086 # a list of files
		chroot "$root" ldd "$@" $modules | grep -oE '(=> |^[[:space:]]*)/[^ :]+ ' | grep -o '/[^ ]*' | sort -u
	} | while read -r file; do
		mkdir -p "$target$(dirname "$file")"
		cp -L "$root$file" "$target$file"
	done
}

add_iptables() {
	local bin="$1/usr/sbin" family suffix
	ln -s dash "$1/bin/sh"
	for family in iptables ip6tables; do
		for suffix in '' -save -restore; do
			ln -s xtables-nft-multi "$bin/$family-nft$suffix"
			ln -s xtables-legacy-multi "$bin/$family-legacy$suffix"
			cp "$IMAGES/kube-proxy/iptables" "$bin/$family$suffix"
		done
	done
}

#
# The control plane's images, in containerd's own store
#

# build_store writes the control plane's images into a fresh containerd store, with the tags that
# kubeadm of this version asks for. The layers stay packed: a node unpacks what it runs.
build_store() {
	local image archives=()
	for image in $("$KUBEADM" config images list --kubernetes-version "$RELEASE"); do
		component_image "$image"
		archives+=("$RESULT")
	done
	mkdir -p root/var/lib/containerd
	import_images root/var/lib/containerd "${archives[@]}"
	pack root | gzip -1n >store.tar.gz
	rm -rf root
}

# component_image REFERENCE sets RESULT to an archive of that image. The tags are kubeadm's; etcd and
# coredns in them are the versions of our modules, the same for each Kubernetes version.
component_image() {
	local reference="$1" name root="$TEMP/component" layers=() config
	name="${reference##*/}"
	name="${name%%:*}"
	config='{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}'
	rm -rf "$root"
	mkdir -p "$root/usr/local/bin"
	case "$name" in
	kube-*) cp "${PARTS[$name]}/$name" "$root/usr/local/bin/" ;;
	etcd) cp "${PARTS[etcd]}/etcd" "$root/usr/local/bin/" ;;
	coredns)
		cp "${PARTS[coredns]}/coredns" "$root/"
		config='{"Entrypoint":["/coredns"],"WorkingDir":"/"}'
		;;
	pause)
		cp "${PARTS[pause]}/pause" "$root/"
		config='{"Entrypoint":["/pause"],"User":"65535:65535"}'
		;;
	*) die "kubeadm $RELEASE asks for the image $reference, which nobody here knows how to build" ;;
	esac
	if [[ $name == kube-proxy ]]; then
		layers+=("${PARTS[base]}/netfilter.tar.gz")
	fi
	pack "$root" "${OURS[@]}" | gzip -1n >"$TEMP/$name.layer.tar.gz"
	layers+=("$TEMP/$name.layer.tar.gz")
	RESULT="$TEMP/$name.image.tar"
	image_archive "$RESULT" "$reference" "$config" "${layers[@]}"
}

# import_images STORE ARCHIVE... lets a containerd of the node's own version write its store. It
# runs here and not in a container, with nothing but what an import needs.
import_images() {
	local store="$1" archive daemon image
	shift
	write_import_config "$(realpath "$store")" >"$TEMP/containerd.toml"
	cd "$TEMP"
	"${PARTS[containerd]}/containerd" --config "$TEMP/containerd.toml" &
	daemon=$!
	# A tenth of a second: containerd needs about that long to open its socket.
	until ctr_import version >/dev/null 2>&1; do
		kill -0 "$daemon"
		sleep 0.1
	done
	for archive in "$@"; do
		ctr_import images import --local --no-unpack --all-platforms "$archive"
	done
	# The label keeps kubelet's garbage collection away from them: no registry would replace them.
	for image in $(ctr_import images list --quiet); do
		ctr_import images label "$image" io.cri-containerd.pinned=pinned
	done
	kill "$daemon"
	wait "$daemon" || true
	cd - >/dev/null
}

ctr_import() {
	"${PARTS[containerd]}/ctr" --address "$SOCKET" --namespace k8s.io "$@"
}

# write_import_config writes a configuration in version 2, which containerd 1.7 and 2 both read. What
# is switched off has another name in each.
write_import_config() {
	cat <<-END
		version = 2
		root = "$1"
		state = "$TEMP/containerd-state"
		disabled_plugins = [
		  "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri",
		  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri", "io.containerd.monitor.task.v1.cgroups",
		  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs",
		  "io.containerd.snapshotter.v1.overlayfs",
		]
		[grpc]
		address = "$SOCKET"
		[ttrpc]
		address = "$SOCKET.ttrpc"
	END
}

#
# The node image
#

# build_parts makes all that the image consists of, slowest first, and fills PARTS with the folders.
build_parts() {
	local kubernetes="$IMAGES/kubernetes/$RELEASE" command
	declare -gA PARTS
	for command in kubeadm kubelet kubectl kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do
		go_part "kubernetes $RELEASE: $command" "$kubernetes" build_kubernetes "$RELEASE" "$command"
		PARTS[$command]="$RESULT"
	done
	KUBEADM="${PARTS[kubeadm]}/kubeadm"
	go_part cri-tools "$IMAGES/cri-tools" build_cri_tools
	PARTS[cri-tools]="$RESULT"
	go_part "containerd $CONTAINERD" "$IMAGES/containerd/$CONTAINERD" build_containerd "$CONTAINERD"
	PARTS[containerd]="$RESULT"
	runc_part
	PARTS[runc]="$RESULT"
	go_part cni-plugins "$IMAGES/cni-plugins" build_cni_plugins
	PARTS[cni]="$RESULT"
	go_part etcd "$IMAGES/etcd" build_etcd
	PARTS[etcd]="$RESULT"
	go_part coredns "$IMAGES/coredns" build_coredns
	PARTS[coredns]="$RESULT"
	pause_part
	PARTS[pause]="$RESULT"
	base_part
	PARTS[base]="$RESULT"
	store_part
	PARTS[store]="$RESULT"
}

runc_part() {
	require_packages gcc libc6-dev libseccomp-dev pkg-config
	go_part runc "$IMAGES/runc" build_runc
}

base_part() {
	cached base "$(base_hash)" "base of the node ($(distribution))" build_base
}

base_hash() {
	hash_of "$(distribution)" "$(architecture)" "${BASE_PACKAGES[@]}" "${NETFILTER[@]}" "$IMAGES/kube-proxy" \
		"$(declare -f build_base only_what_a_container_needs copy_commands add_iptables debian_root key_of slim)"
}

store_part() {
	local parts=() name
	for name in "${!PARTS[@]}"; do
		case "$name" in
		kubelet | kubectl | cni | cri-tools | runc) ;;
		*) parts+=("${PARTS[$name]##*/}") ;;
		esac
	done
	cached store "$(hash_of "$(printf '%s\n' "${parts[@]}" | sort)" "$RELEASE" \
		"$(declare -f build_store component_image import_images write_import_config image_archive pack)")" \
		"images of the control plane $RELEASE" build_store
}

# image_hash is the hash of all inputs of the node image. It is made from files, not from what was
# built of them: an image that exists is found before anything is built.
image_hash() {
	hash_of "$IMAGES/kubernetes/$RELEASE" "$IMAGES/containerd/$CONTAINERD" "$IMAGES/runc" "$IMAGES/cni-plugins" "$IMAGES/cri-tools" "$IMAGES/etcd" "$IMAGES/coredns" \
		"$IMAGES/pause" "$IMAGES/node" "$(base_hash)" "$GO_VERSION" "$ROOT/scripts/go.sh" \
		"$(declare -f build_kubernetes build_containerd build_runc build_cni_plugins build_cri_tools build_etcd build_coredns build_pause build_store \
			component_image import_images write_import_config assemble add_kubernetes add_runtime go_build image_archive pack)"
}

# assemble lays the parts over the base, from what changes seldom to what changes often, and hands
# the image to the engine.
assemble() {
	local reference="$1" config
	add_runtime "$TEMP/runtime"
	add_kubernetes "$TEMP/kubernetes"
	pack "$TEMP/runtime" "${OURS[@]}" >"$TEMP/runtime.tar"
	pack "$TEMP/kubernetes" "${OURS[@]}" >"$TEMP/kubernetes.tar"
	config='{"Entrypoint":["/usr/local/bin/entrypoint","/sbin/init"],"StopSignal":"SIGRTMIN+3",'
	config+='"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","container=docker"],'
	config+='"Labels":{"procns":"node","procns.kubernetes":"'"$RELEASE"'"}}'
	image_archive "$TEMP/node.tar" "$reference" "$config" \
		"${PARTS[base]}/node.tar.gz" "$TEMP/runtime.tar" "${PARTS[store]}/store.tar.gz" "$TEMP/kubernetes.tar"
	# Where an engine that is interrupted leaves its half of the work is removed with the rest.
	TMPDIR="$TEMP" "$ENGINE" load --input "$TEMP/node.tar"
	rm "$TEMP/node.tar" "$TEMP/runtime.tar" "$TEMP/kubernetes.tar"
}

add_runtime() {
	local root="$1" pause unit
	mkdir -p "$root/usr/local/bin" "$root/opt/cni/bin" "$root/etc/kubernetes/manifests" "$root/etc/systemd/system/multi-user.target.wants"
	cp -R "$NODE/." "$root/"
	cp "${PARTS[containerd]}"/* "${PARTS[runc]}/runc" "${PARTS[cri-tools]}"/* "$root/usr/local/bin/"
	cp "${PARTS[cni]}"/* "$root/opt/cni/bin/"
	for unit in containerd kubelet; do
		ln -s "/etc/systemd/system/$unit.service" "$root/etc/systemd/system/multi-user.target.wants/"
	done
	pause="$("$KUBEADM" config images list --kubernetes-version "$RELEASE" | grep /pause:)"
	sed -i "s|@PAUSE@|$pause|" "$root/etc/containerd/config.toml"
	"${PARTS[containerd]}/ctr" oci spec | sed '/"rlimits": \[/,/\],/d' >"$root/etc/containerd/cri-base.json"
	if grep -q '"rlimits"' "$root/etc/containerd/cri-base.json"; then
		echo "containerd's base specification has limits that were not taken out" >&2
		return 1
	fi
}

add_kubernetes() {
	local root="$1" command
	mkdir -p "$root/usr/bin" "$root/kind"
	for command in kubeadm kubelet kubectl; do
		cp "${PARTS[$command]}/$command" "$root/usr/bin/"
	done
	printf '%s' "$RELEASE" >"$root/kind/version"
}

# containerd_serves_kubernetes: kubelet of a newer Kubernetes does not start with a containerd that is
# too old. The folder says so of itself.
containerd_serves_kubernetes() {
	local file="$IMAGES/containerd/$CONTAINERD/newest-kubernetes" newest
	if [[ ! -f $file ]]; then
		return
	fi
	newest="$(<"$file")"
	if [[ $(printf '%s\n' "$newest.999" "$RELEASE" | sort --version-sort | tail -n 1) == "$RELEASE" ]]; then
		die "containerd $CONTAINERD serves Kubernetes up to $newest, and not $RELEASE: set K8S_VERSION"
	fi
}

build_image() {
	local reference="$1"
	if [[ ! -d $IMAGES/kubernetes/$RELEASE ]]; then
		die "there is no fixtures/images/kubernetes/$RELEASE: add it with scripts/add-kubernetes-version.sh $RELEASE, or give NODE_IMAGE"
	fi
	if [[ ! -d $IMAGES/containerd/$CONTAINERD ]]; then
		die "there is no fixtures/images/containerd/$CONTAINERD: CONTAINERD_VERSION is one of $(cd "$IMAGES/containerd" && echo v*)"
	fi
	containerd_serves_kubernetes
	debian_like || die "a node image can only be built as root on Debian or a kin: give NODE_IMAGE, or a registry that answers"
	require_packages debootstrap
	build_parts
	step "node image $RELEASE" assemble "$reference"
}

#
# Which image
#

# kind_default sets REFERENCE to kind's default image if the engine has it or can pull it. What it
# costs to find out that there is no network is bounded: the first question has ten seconds.
kind_default() {
	local image
	image="$(cd "$ROOT" && scripts/go.sh run ./scripts/kind-default-image)"
	if [[ $CONTAINERD != "$DEFAULT_CONTAINERD" ]]; then
		return
	fi
	if [[ -n ${K8S_VERSION:-} && $image != *":$K8S_VERSION@"* && $image != *":$K8S_VERSION" ]]; then
		return
	fi
	image="$(by_digest "docker.io/$image")"
	if present "$image"; then
		REFERENCE="$image"
	elif ! reachable "$image"; then
		say "kind's own image cannot be had here ($image does not answer): building one"
	else
		step "pull $image" timeout 1800 "$ENGINE" pull "$image"
		REFERENCE="$image"
	fi
}

# control_plane prints the files of etcd, the API server, the controllers and the scheduler, one a line.
control_plane() {
	local kubernetes="$IMAGES/kubernetes/$RELEASE" command
	[[ -d $kubernetes ]] || die "there is no fixtures/images/kubernetes/$RELEASE: add it with scripts/add-kubernetes-version.sh $RELEASE"
	make_temp
	lock node-image
	go_part etcd "$IMAGES/etcd" build_etcd
	echo "$RESULT/etcd"
	for command in kube-apiserver kube-controller-manager kube-scheduler; do
		go_part "kubernetes $RELEASE: $command" "$kubernetes" build_kubernetes "$RELEASE" "$command"
		echo "$RESULT/$command"
	done
}

main() {
	RELEASE="${K8S_VERSION:-$DEFAULT_VERSION}"
	CONTAINERD="${CONTAINERD_VERSION:-$DEFAULT_CONTAINERD}"
	GO_VERSION="$(go version)"
	if [[ ${1:-} == control-plane ]]; then
		control_plane
		return
	fi
	if [[ -n ${NODE_IMAGE:-} ]]; then
		echo "$NODE_IMAGE"
		return
	fi
	use_engine
	local built
	built="localhost/procns/node:$RELEASE-$(image_hash)"
	if present "$built"; then
		echo "$built"
		return
	fi
	make_temp
	lock node-image
	REFERENCE=
	if present "$built"; then # another run built it while this one waited
		REFERENCE="$built"
	else
		kind_default
	fi
	if [[ -z $REFERENCE ]]; then
		build_image "$built"
		REFERENCE="$built"
	fi
	echo "$REFERENCE"
}

main "$@"
