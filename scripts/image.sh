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
# PLATFORMS are those of the index; what else it reads, scripts/release-lib.sh says. The same source makes the
# same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/release-lib.sh
. scripts/release-lib.sh

PLATFORMS="${PLATFORMS:-linux/amd64 linux/arm64}"

main() {
	local folder="${1:-dist/image}"
	rm -rf "$folder"
	# shellcheck disable=SC2086 # a list
	build_programs "$folder/bin" $PLATFORMS
	say "$IMAGE:$VERSION"
	write_images "$folder" "$folder/bin" "$PLATFORMS" >"$folder/reference"
	cat "$folder/reference"
}

main "$@"
