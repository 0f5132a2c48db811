#!/usr/bin/env bash
# Writes all that a run needs where there is neither a registry nor a clone of this repository:
#
#     scripts/bundle.sh [FOLDER]      default: dist/bundle, and dist/bundle.tar
#
# bin/                     the static program of each platform
# images.tar               the suite's image and those that the fixtures use, as an OCI layout
# docker-ARCHITECTURE.tar  the same of one platform, in the form of docker save
# images.txt               their references
# manifests/               the permissions, a Job, and a plugin for Sonobuoy, with these references
# LOAD.md, IN_CLUSTER.md   how the images get into a cluster, and what is done with them
# SHA256SUMS               of all of these
#
# WORKLOADS=pull takes the fixtures' images from their registries, by the digests of fixtures/images/workloads.txt;
# WORKLOADS=build takes those that scripts/workload-images.sh provides, for this machine's architecture alone.
# Unless it is set, they are pulled where a registry answers. PLATFORMS are those of the images; what else is
# read, scripts/release-lib.sh says.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/release-lib.sh
. scripts/release-lib.sh

PLATFORMS="${PLATFORMS:-linux/amd64 linux/arm64}"
HOST="$(go env GOHOSTOS)/$(go env GOHOSTARCH)"

# pulled prints the flags by which tools/images pulls the workloads, one a line.
pulled() { awk '!/^#/ && NF == 2 { print "-pull=" $1 "=" $2 }' fixtures/images/workloads.txt; }

# built prints the flags by which it takes what was built here.
built() {
	local name reference archive workloads
	workloads="$(scripts/workload-images.sh)"
	while IFS=$'\t' read -r name reference archive; do
		printf -- '-archive=%s=%s=%s\n' "$name" "$reference" "$archive"
	done <<<"$workloads"
}

# images FOLDER writes the images, and prints NAME<TAB>REFERENCE of each workload.
images() {
	local folder="$1" flags=() listed
	if [[ ${WORKLOADS:-pull} == pull ]]; then
		mapfile -t flags < <(pulled)
		say "images by digest from their registries"
		if write_images "$folder" "$folder/bin" "$PLATFORMS" "${flags[@]}" 2>"$folder/said"; then
			rm "$folder/said"
			return
		elif [[ -n ${WORKLOADS:-} ]]; then
			cat "$folder/said" >&2
			return 3
		fi
		say "they cannot be pulled: $(tail -n 2 "$folder/said" | head -n 1)"
		rm "$folder/said"
		say "instead, those built here are taken: for $(go env GOHOSTARCH) alone, and under names of their own"
	fi
	listed="$(built)"
	mapfile -t flags <<<"$listed"
	write_images "$folder" "$folder/bin" "$PLATFORMS" "${flags[@]}"
}

# manifests FOLDER FLAGS... prints the manifests with the program that runs on this machine: without settings of
# whoever builds the bundle, which it would pass on.
manifests() (
	local folder="$1" program
	shift
	program="$folder/bin/procns-${HOST//\//-}"
	if [[ ! -e $program ]]; then
		program="$(mktemp -d)/procns"
		scripts/build.sh "$program"
	fi
	mkdir -p "$folder/manifests"
	unset "${!PROCNS_@}"
	"$program" -print-rbac >"$folder/manifests/rbac.yaml"
	"$program" -print-job -suite-image "$IMAGE:$VERSION" "$@" >"$folder/manifests/job.yaml"
	"$program" -print-sonobuoy-plugin -suite-image "$IMAGE:$VERSION" "$@" >"$folder/manifests/sonobuoy-plugin.yaml"
)

# load_page FOLDER FLAGS... prints how the images get into a cluster.
load_page() {
	local folder="$1" reference architecture flags=("${@:2}")
	shift
	cat <<-END
		# procns $VERSION, for clusters without a registry

		\`sha256sum --check SHA256SUMS\` tells whether everything arrived. What runs, and how its results are fetched,
		is in IN_CLUSTER.md.

		## Images into the nodes

		On each node, with containerd or docker:

		    ctr -n k8s.io images import images.tar
	END
	for architecture in $(platform_architectures); do
		printf '    docker load -i docker-%s.tar\n' "$architecture"
	done
	cat <<-END

		The manifests name the images as they are called there, and pull none.

		## Images into a registry

		    MIRROR=mirror.example/lib
	END
	while IFS= read -r reference; do
		printf "    skopeo copy --all oci-archive:images.tar:%s docker://\$MIRROR/%s\n" "$(named_in_layout "$reference")" "$(short "$reference")"
	done <"$folder/images.txt"
	printf '\nThen print the manifests again, with the flags that were used here and the names there:\n\n'
	printf "    bin/procns-%s -print-job -suite-image \$MIRROR/%s" "${HOST//\//-}" "$(short "$IMAGE:$VERSION")"
	while (($# > 0)); do
		printf " \\\\\n        -image %s=\$MIRROR/%s" "${2%%=*}" "$(short "${2#*=}" keep)"
		shift 2
	done
	printf '\n\n## Images for Hydrophone\n\n'
	hydrophone_line "${flags[@]}"
}

# hydrophone_line FLAGS... prints how Hydrophone is told of them.
hydrophone_line() {
	local busybox='' extra=--nodes=all
	while (($# > 0)); do
		case "$2" in busybox=*) busybox="${2#busybox=}" ;; esac
		extra+=",--image=$2"
		shift 2
	done
	printf '    hydrophone --conformance-image %s --busybox-image %s --disable-progress-status \\\n        --extra-args %s\n' "$IMAGE:$VERSION" "$busybox" "$extra"
}

platform_architectures() { printf '%s\n' "$PLATFORMS" | tr ' ' '\n' | sed 's#.*/##'; }

# named_in_layout prints the name under which images.tar has a reference: by its tag, where it has one.
named_in_layout() { printf '%s' "${1%%@*}"; }

# short REFERENCE [keep] prints the last part of a reference, with its tag, and with its digest if that is kept.
short() {
	local reference="$1"
	if [[ -z ${2:-} ]]; then
		reference="${reference%%@*}"
	fi
	printf '%s' "${reference##*/}"
}

main() {
	local folder="${1:-dist/bundle}" workloads name reference flags=()
	rm -rf "$folder" "$folder.tar"
	# shellcheck disable=SC2086 # a list
	build_programs "$folder/bin" $PLATFORMS
	workloads="$(images "$folder")"
	while IFS=$'\t' read -r name reference; do
		flags+=(-image "$name=$reference")
	done <<<"$workloads"
	manifests "$folder" "${flags[@]}"
	load_page "$folder" "${flags[@]}" >"$folder/LOAD.md"
	cp docs/IN_CLUSTER.md "$folder/"
	checksums "$folder"
	tar --create --file "$folder.tar" --directory "$(dirname "$folder")" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
		--mode=go-w --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime,delete=mtime "$(basename "$folder")"
	say "$folder.tar: $(du -h "$folder.tar" | cut -f1)"
}

main "$@"
