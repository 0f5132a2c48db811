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
# The parts of the image: each build_ function fills the current folder, which `cached` keeps under a
# content hash.
# shellcheck source=scripts/node-image/programs.sh
source "$ROOT/scripts/node-image/programs.sh"
# shellcheck source=scripts/node-image/base.sh
source "$ROOT/scripts/node-image/base.sh"
# shellcheck source=scripts/node-image/store.sh
source "$ROOT/scripts/node-image/store.sh"

readonly DEFAULT_VERSION=v1.37.2
readonly DEFAULT_CONTAINERD=v2.4.2
readonly NODE="$IMAGES/node/rootfs"

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
