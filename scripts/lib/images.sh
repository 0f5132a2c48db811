# shellcheck shell=bash
# Container images that are made without an engine, and what an engine has. Part of lib.sh, which sources it.

# Options of pack for files of our own: whoever checked them out, in an image they are root's.
# shellcheck disable=SC2034 # for those who source this
readonly OURS=(--owner=0 --group=0 --mode=go-w)

# image_archive ARCHIVE REFERENCE CONFIG LAYER... writes an image in the form of `docker save`,
# which docker, podman, nerdctl and containerd all load. CONFIG is the "config" member of the image
# configuration (JSON); each layer is a tar file, plain, or gzipped if its name ends in .gz.
# An image made by hand needs no running engine and no build container that could be left behind.
image_archive() {
	local archive="$1" reference="$2" config="$3" work layer names='' diffs='' digest
	shift 3
	work="$(mktemp -d "$TEMP/image.XXXXXX")"
	for layer in "$@"; do
		digest="$(plain "$layer" | sha256sum | cut -d' ' -f1)"
		ln -s "$(realpath "$layer")" "$work/$digest.tar"
		diffs+="${diffs:+,}\"sha256:$digest\""
		names+="${names:+,}\"$digest.tar\""
	done
	printf '{"architecture":"%s","os":"linux","created":"1970-01-01T00:00:00Z","config":%s,"rootfs":{"type":"layers","diff_ids":[%s]}}' \
		"$(architecture)" "$config" "$diffs" >"$work/config.json"
	digest="$(sha256sum <"$work/config.json" | cut -d' ' -f1)"
	mv "$work/config.json" "$work/$digest.json"
	printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":[%s]}]' "$digest" "$reference" "$names" >"$work/manifest.json"
	pack "$work" --dereference >"$archive"
	rm -rf "$work"
}

# plain prints a tar file without its compression.
plain() {
	case "$1" in
	*.gz) gzip -dc "$1" ;;
	*) cat "$1" ;;
	esac
}

# pack FOLDER OPTIONS... prints a tar of the folder that depends on nothing but its content.
pack() {
	local folder="$1"
	shift
	tar --create --directory "$folder" --sort=name --mtime=@0 --numeric-owner --xattrs --format=posix \
		--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime,delete=mtime "$@" .
}

# use_engine sets ENGINE and what belongs to it, unless the caller has done it before.
use_engine() {
	# Both: ENGINE alone may be somebody else's variable.
	if [[ -n ${ENGINE:-} && ${KIND_EXPERIMENTAL_PROVIDER:-} == "$ENGINE" ]]; then
		return
	fi
	local assignments
	assignments="$("$ROOT/scripts/engine.sh")"
	eval "$assignments"
	export ENGINE KIND_EXPERIMENTAL_PROVIDER
	if [[ -n ${CONTAINERS_CONF:-} ]]; then
		export CONTAINERS_CONF
	fi
}

# present tells whether the engine has an image.
present() {
	"$ENGINE" image inspect "$1" >/dev/null 2>&1
}

# by_digest drops the tag of a reference that has a digest too: not all engines accept both, and
# the digest is what counts.
by_digest() {
	sed 's/:[^:@/]*@/@/' <<<"$1"
}

# reachable asks the registry of an image for its manifest, and takes no answer in ten seconds for
# no. The engine asks, so that its mirrors and proxies count.
reachable() {
	timeout 10 "$ENGINE" manifest inspect "$1" >/dev/null 2>&1
}

# pause_part builds our own pause, and sets RESULT to the folder with the program.
pause_part() {
	local hash
	hash="$(hash_of "$IMAGES/pause" "$(architecture)" "$(declare -f build_pause)")"
	if [[ ! -d $CACHE/pause-$hash ]]; then
		require_packages gcc libc6-dev
	fi
	cached pause "$hash" pause build_pause
}

build_pause() {
	gcc -static -Os -Wall -Wextra -Werror -s -o pause "$IMAGES/pause/pause.c"
}
