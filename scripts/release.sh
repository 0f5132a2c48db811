#!/usr/bin/env bash
# Builds what a release consists of, beside the image and the bundle:
#
#     scripts/release.sh [FOLDER]      default: dist/release
#
# procns-OS-ARCHITECTURE  a static program for each of PLATFORMS
# procns.spdx.json        what is in them, as an SPDX list
# SHA256SUMS              of all of these
#
# What else it reads, scripts/release-lib.sh says. The same source makes the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/release-lib.sh
. scripts/release-lib.sh

PLATFORMS="${PLATFORMS:-linux/amd64 linux/arm64 darwin/arm64}"

# packages prints what go list tells of all that is compiled in, on any of the platforms.
packages() {
	local platform
	for platform in $PLATFORMS; do
		GOOS="${platform%%/*}" GOARCH="${platform#*/}" scripts/go.sh list -deps -test -json=Module,Standard ./e2e
	done
}

main() {
	local folder="${1:-dist/release}" programs=() platform
	rm -rf "$folder"
	# shellcheck disable=SC2086 # a list
	build_programs "$folder" $PLATFORMS
	folder="$(realpath "$folder")"
	for platform in $PLATFORMS; do
		programs+=("$folder/procns-${platform//\//-}")
	done
	packages | (cd tools && ../scripts/go.sh run ./sbom -version "$VERSION" -source "$SOURCE_URL" -licence "$LICENCE" \
		-created "$SOURCE_DATE_EPOCH" "${programs[@]}") >"$folder.spdx"
	mv "$folder.spdx" "$folder/procns.spdx.json"
	checksums "$folder"
	cat "$folder/SHA256SUMS"
}

main "$@"
