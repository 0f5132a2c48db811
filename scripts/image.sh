#!/usr/bin/env bash
# Writes the suite's own image, without a container engine:
#
#     scripts/image.sh [FOLDER]      default: dist/image
#
# bin/                     the static program of each platform
# image.tar, layout/       all platforms in one index, as an OCI layout
# docker-ARCHITECTURE.tar  one platform each, in the form of docker save
# reference                the image's name, and the digest of the index
#
# PLATFORMS are those of the index, IMAGE is its name without a tag, VERSION its tag. SOURCE_URL and LICENCE
# (an SPDX expression) are said in its annotations, where they are set. SOURCE_DATE_EPOCH is its time: default
# that of the commit. The same source makes the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

PLATFORMS="${PLATFORMS:-linux/amd64 linux/arm64}"
IMAGE="${IMAGE:-localhost/procns/procns}"
VERSION="${VERSION:-$(git describe --always --dirty --tags 2>/dev/null || echo unversioned)}"
COMMIT="${COMMIT:-$(git describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null || true)}"
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
export VERSION COMMIT

main() {
	local folder="${1:-dist/image}" platform binary flags=()
	rm -rf "$folder"
	mkdir -p "$folder/bin"
	folder="$(cd "$folder" && pwd)"
	for platform in $PLATFORMS; do
		binary="$folder/bin/procns-${platform//\//-}"
		printf '==> %s\n' "$binary" >&2
		scripts/build.sh "$binary" "$platform"
		flags+=(-binary "$platform=$binary")
	done
	printf '==> %s:%s\n' "$IMAGE" "$VERSION" >&2
	(cd tools && ../scripts/go.sh run ./images -out "$folder" -name "$IMAGE:$VERSION" -version "$VERSION" -commit "$COMMIT" \
		-source "${SOURCE_URL:-}" -licence "${LICENCE:-}" -created "$SOURCE_DATE_EPOCH" "${flags[@]}") >"$folder/reference"
	cat "$folder/reference"
}

main "$@"
