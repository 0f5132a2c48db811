# shellcheck shell=bash
# The control plane's images, in containerd's own store. Part of node-image.sh, which sources it.

set -euo pipefail

# Where the containerd that imports images listens. A socket's path has room for 107 characters,
# and the path of the cache can be longer: this is the current folder of whoever opens it.
readonly SOCKET=/proc/self/cwd/containerd.sock

store_part() {
	local parts=() name
	# shellcheck disable=SC2153 # the parts that node-image.sh has made
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
