#!/usr/bin/env bash
# Makes the suite's image twice, in different folders, and compares every file: programs, OCI layout and
# archives must be the same bytes. Needs no container engine. Reads what scripts/image.sh reads.
set -euo pipefail
cd "$(dirname "$0")/.."

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# digests prints the digest and the name of every file of a folder.
digests() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum); }

for time in one two; do
	scripts/image.sh "$work/$time" >&2
	digests "$work/$time" >"$work/$time.sums"
done
if ! diff "$work/one.sums" "$work/two.sums"; then
	echo "check-image: the image is not the same twice: see above" >&2
	exit 1
fi
printf 'check-image: %d files are the same twice: %s\n' "$(wc -l <"$work/one.sums")" "$(cat "$work/one/reference")"
