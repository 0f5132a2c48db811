# shellcheck shell=bash
# What is built once, kept by the hash of what it is made of. Part of lib.sh, which sources it.

set -euo pipefail

# hash_of prints a short content hash of its arguments: a file counts by its content, a folder by
# the names and contents of its files and whether they can be run, anything else as the text it is.
hash_of() {
	local item
	for item in "$@"; do
		if [[ -d $item ]]; then
			(
				cd "$item"
				find . -type f \( -perm -u+x -printf '%P x\n' -o -printf '%P\n' \) | LC_ALL=C sort
				find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum
			)
		elif [[ -f $item ]]; then
			sha256sum <"$item"
		else
			printf '%s\n' "$item"
		fi
	done | sha256sum | cut -c1-12
}

# cached NAME HASH TEXT COMMAND... sets RESULT to the folder $CACHE/NAME-HASH. If there is none,
# the command makes it: it runs in an empty folder, which gets its name when the command is done,
# so what an interrupted run leaves is never taken for a result.
cached() {
	local name="$1" hash="$2" text="$3" folder
	shift 3
	RESULT="$CACHE/$name-$hash"
	if [[ -d $RESULT ]]; then
		return
	fi
	folder="$(mktemp -d "$TEMP/cached.XXXXXX")"
	chmod 755 "$folder"
	mkdir -p "$(dirname "$RESULT")"
	cd "$folder"
	step "$text" "$@"
	cd "$ROOT"
	mv -T "$folder" "$RESULT"
}

require_go() {
	have go || die "go is not installed: install Go $(sed -n 's/^go //p' "$ROOT/go.mod") or newer"
}

# go_build MODULE_FOLDER ARGUMENTS... builds the packages that a module names as tools, into the
# current folder, in the way of scripts/go.sh. The user's own Go settings must not change the result:
# no workspace, no other flags, and go.mod and go.sum as they are committed.
go_build() {
	local module="$1" out="$PWD/"
	shift
	(
		cd "$module"
		GOOS=linux GOWORK=off GOFLAGS=-mod=readonly "$ROOT/scripts/go.sh" build -o "$out" "$@"
	)
}

# architecture prints the processor architecture as Go and container images name it.
architecture() {
	go env GOARCH
}

# build_sabotaged_runtime makes bin/sabotaged-runtime. It runs in nodes, whose libraries are none of ours.
build_sabotaged_runtime() {
	GOOS=linux scripts/go.sh build -ldflags '-s -w' -o bin/sabotaged-runtime ./e2e/cmd/sabotaged-runtime
}
