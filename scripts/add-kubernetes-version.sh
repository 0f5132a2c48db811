#!/usr/bin/env bash
# Adds a Kubernetes version that scripts/node-image.sh can build:
#
#     scripts/add-kubernetes-version.sh v1.37.2
#
# writes fixtures/images/kubernetes/v1.37.2/{go.mod,go.sum}; commit the folder.
set -euo pipefail

readonly COMMANDS=(
	kube-apiserver
	kube-controller-manager
	kube-proxy
	kube-scheduler
	kubeadm
	kubectl
	kubelet
)

fail() {
	echo "add-kubernetes-version: $*" >&2
	exit 3
}

# upstream_mod prints the path of Kubernetes' own go.mod.
upstream_mod() {
	(cd / && GOFLAGS='' go mod download -json "k8s.io/kubernetes@$1") | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p'
}

# godebugs prints the settings of the godebug lines of a go.mod, single or in a block.
godebugs() {
	awk '$1 == "godebug" && $2 == "(" { inside = 1; next }
	     $1 == "godebug"              { print $2 }
	     inside && $1 == ")"          { inside = 0 }
	     inside                       { print $1 }' "$1"
}

# staging_modules prints the modules that a go.mod replaces by folders of its own repository.
staging_modules() {
	awk '/=> \.\/staging\// { for (i = 1; i <= NF; i++) if ($i ~ /^k8s\.io\//) { print $i; break } }' "$1" | sort -u
}

# write_mod repeats Kubernetes' own choices for a module that depends on it. A replacement counts
# in the main module only, so each staging module is replaced here by its release of the same
# number (v1.37.2 is v0.37.2 there). The go and godebug lines are copied for the same reason.
write_mod() {
	local version="$1" upstream="$2" item
	local edits=(-go="$(awk '$1 == "go" { print $2 }' "$upstream")" -require="k8s.io/kubernetes@$version")
	for item in $(godebugs "$upstream"); do
		edits+=(-godebug="$item")
	done
	for item in $(staging_modules "$upstream"); do
		edits+=(-replace="$item=$item@v0.${version#v1.}")
	done
	for item in "${COMMANDS[@]}"; do
		edits+=(-tool="k8s.io/kubernetes/cmd/$item")
	done
	go mod init procns.invalid/images/kubernetes
	go mod edit "${edits[@]}"
	go mod tidy
}

main() {
	local version="${1:-}" here folder temp upstream
	[[ $version =~ ^v1\.[0-9]+\.[0-9]+$ ]] || fail "want one argument like v1.37.2"
	here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
	folder="$here/fixtures/images/kubernetes/$version"
	[[ ! -e $folder ]] || fail "$folder exists already"
	upstream="$(upstream_mod "$version")" || fail "k8s.io/kubernetes@$version cannot be downloaded"
	temp="$(mktemp -d)"
	# shellcheck disable=SC2064 # the path is known now and local later
	trap "rm -rf '$temp'" EXIT
	(cd "$temp" && GOWORK=off GOFLAGS='' write_mod "$version" "$upstream")
	mkdir -p "$folder"
	cp "$temp/go.mod" "$temp/go.sum" "$folder/"
	echo "wrote ${folder#"$here"/}" >&2
}

main "$@"
