# shellcheck shell=bash
# What the scripts that build the suite for others share. Source it, do not run it. It needs nothing of
# lib.sh: no cache, no container engine.
#
# VERSION and COMMIT say what is built: default what git says. LICENCE (an SPDX expression, default that of
# the file LICENSE) and SOURCE_URL are said in annotations and lists, unless they are empty.
# SOURCE_DATE_EPOCH is the time of it all: default that of the commit. IMAGE is the name of the suite's image,
# without a tag.

set -euo pipefail
shopt -s inherit_errexit
umask 022

VERSION="${VERSION:-$(git describe --always --dirty --tags 2>/dev/null || echo unversioned)}"
COMMIT="${COMMIT:-$(git describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null || echo unknown)}"
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
IMAGE="${IMAGE:-localhost/procns/procns}"
SOURCE_URL="${SOURCE_URL:-}"
LICENCE="${LICENCE-Apache-2.0}"
export VERSION COMMIT

say() { printf '==> %s\n' "$*" >&2; }

# build_programs FOLDER OS/ARCHITECTURE... builds FOLDER/procns-OS-ARCHITECTURE for each platform.
build_programs() {
	local folder="$1" platform
	shift
	mkdir -p "$folder"
	for platform in "$@"; do
		say "procns for $platform"
		scripts/build.sh "$folder/procns-${platform//\//-}" "$platform"
	done
}

# write_images FOLDER PROGRAMS PLATFORMS FLAGS... writes the suite's image of these platforms into a folder, with
# further flags of tools/images.
write_images() {
	local folder="$1" programs="$2" platforms="$3" platform flags=()
	shift 3
	for platform in $platforms; do
		flags+=(-binary "$platform=$(realpath "$programs/procns-${platform//\//-}")")
	done
	folder="$(realpath "$folder")"
	(cd tools && ../scripts/go.sh run ./images -out "$folder" -name "$IMAGE:$VERSION" -version "$VERSION" -commit "$COMMIT" \
		-source "$SOURCE_URL" -licence "$LICENCE" -created "$SOURCE_DATE_EPOCH" "${flags[@]}" "$@")
}

# checksums FOLDER writes SHA256SUMS of everything in a folder.
checksums() {
	(
		cd "$1"
		rm -f SHA256SUMS
		find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum
	) >"$1.sums"
	mv "$1.sums" "$1/SHA256SUMS"
}
