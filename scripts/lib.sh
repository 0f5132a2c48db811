# shellcheck shell=bash
# Helpers shared by the scripts of this folder. Source it, do not run it. It sources the files of lib/.

set -euo pipefail
shopt -s inherit_errexit # a failure inside $(…) is a failure
umask 022                # what is built here ends in images

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
CACHE="${PROCNS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/procns}"
IMAGES="$ROOT/fixtures/images"
export ROOT CACHE IMAGES

# die says what is wrong and what to do about it, and ends with the exit code of set-up failures.
die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 3
}

if [[ $CACHE == *[[:space:]]* ]]; then
	die "the cache folder '$CACHE' has a space in its name, which debootstrap cannot cope with: set PROCNS_CACHE to another"
fi
mkdir -p "$CACHE/logs" "$CACHE/temp"
CACHE="$(cd "$CACHE" && pwd)" # what is printed must hold in other folders too

# say prints one line for the person who waits. Standard output belongs to the results.
say() {
	printf '==> %s\n' "$*" >&2
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# shellcheck source=scripts/lib/processes.sh
source "$ROOT/scripts/lib/processes.sh"
# shellcheck source=scripts/lib/cache.sh
source "$ROOT/scripts/lib/cache.sh"
# shellcheck source=scripts/lib/images.sh
source "$ROOT/scripts/lib/images.sh"
# shellcheck source=scripts/lib/debian.sh
source "$ROOT/scripts/lib/debian.sh"
# shellcheck source=scripts/lib/cluster.sh
source "$ROOT/scripts/lib/cluster.sh"
