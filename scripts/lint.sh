#!/usr/bin/env bash
# Reads all code with the checkers: gofmt, go vet and staticcheck for Go; for
# shell scripts, shellcheck; for workflows, actionlint. Every checker runs even
# if an earlier one complains, so that one run shows all there is to mend.
#
# The Go tools are built from tools/, a module of its own with pinned versions.
# The distribution has shellcheck: it is installed where that is possible.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

complaints=()

# check TEXT COMMAND... runs one checker, shows what it says, and remembers whether it complained.
check() {
	local text="$1" begin=$SECONDS
	shift
	if "$@"; then
		say "$text: $((SECONDS - begin))s"
	else
		say "$text: COMPLAINTS, see above ($((SECONDS - begin))s)"
		complaints+=("$text")
	fi
}

# sources prints the files that git knows or could add, one a line, without those just deleted.
sources() {
	local file
	git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while IFS= read -r file; do
		if [[ -f $file ]]; then
			printf '%s\n' "$file"
		fi
	done
}

formatted() {
	local files=() unformatted
	mapfile -t files < <(sources '*.go')
	unformatted=$(gofmt -l "${files[@]}") || return 1
	if [[ -n $unformatted ]]; then
		printf 'not formatted, run gofmt -w on: %s\n' "${unformatted//$'\n'/ }"
		return 1
	fi
}

# own_modules prints the folders of the modules that hold Go code of ours, and not just pinned requirements.
# gVisor's shim is vetted where it is built (scripts/runtime-parts.sh): all of gVisor has to be compiled for that.
own_modules() {
	local folder
	echo .
	sources tools/go.mod 'fixtures/images/*go.mod' | while IFS= read -r folder; do
		folder=$(dirname "$folder")
		if [[ $folder != fixtures/images/gvisor && -n $(sources "$folder/*.go") ]]; then
			printf '%s\n' "$folder"
		fi
	done
}

# in_modules COMMAND... runs the command in each of our modules, and fails if it fails in any.
in_modules() {
	local folder code=0
	while IFS= read -r folder; do
		(cd "$folder" && "$@") || code=1
	done < <(own_modules)
	return "$code"
}

# shell_files prints the shell scripts, by name or by first line.
shell_files() {
	local file line
	sources | while IFS= read -r file; do
		line=
		case "$file" in
		*.sh) line='#!/bin/sh' ;;
		*) [[ ! -x $file ]] || IFS= read -r line <"$file" 2>/dev/null || true ;;
		esac
		if [[ $line =~ ^#!.*[/\ ](ba|da)?sh( |$) ]]; then
			printf '%s\n' "$file"
		fi
	done
}

shell() {
	local files=()
	mapfile -t files < <(shell_files)
	shellcheck --external-sources "${files[@]}"
}

require_go
have shellcheck || require_packages shellcheck

# The tests that need a cluster, each package with a build tag of its name.
on_clusters=acceptance,field
cluster_tests=(./e2e/acceptance ./e2e/field)
staticcheck=("$ROOT/scripts/go.sh" tool "-modfile=$ROOT/tools/go.mod" staticcheck)

check gofmt formatted
check "go vet" in_modules "$ROOT/scripts/go.sh" vet ./...
check "go vet, the tests on clusters" env PROCNS_TAGS="$on_clusters" "$ROOT/scripts/go.sh" vet "${cluster_tests[@]}"
check staticcheck in_modules "${staticcheck[@]}" ./...
check "staticcheck, the tests on clusters" env PROCNS_TAGS="$on_clusters" "${staticcheck[@]}" "${cluster_tests[@]}"
check shellcheck shell
if [[ -d .github/workflows ]]; then
	check actionlint "$ROOT/scripts/go.sh" tool "-modfile=$ROOT/tools/go.mod" actionlint
fi

if ((${#complaints[@]} > 0)); then
	printf 'lint: %s complained\n' "$(IFS=, && echo "${complaints[*]}")" >&2
	exit 1
fi
say "lint: no complaints (${SECONDS}s)"
