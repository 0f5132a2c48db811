#!/usr/bin/env bash
# Prints the supported Kubernetes versions, oldest first, as a JSON array: the folders of
# fixtures/images/kubernetes, which is the one place that lists them. scripts/add-kubernetes-version.sh
# adds one.
#
#     scripts/versions.sh            ["v1.36.3","v1.37.2"]
#     scripts/versions.sh upgrades   [{"from":"v1.36.3","to":"v1.37.2"}]: each to the next
#     scripts/versions.sh containerd [{"containerd":"v1.7.35","kubernetes":"v1.35.4"}]: each with the
#                                    newest Kubernetes that it serves, from fixtures/images/containerd
set -euo pipefail
cd "$(dirname "$0")/../fixtures/images"

# folders FOLDER lists its folders of versions, oldest first.
folders() { (cd "$1" && printf '%s\n' v*/ | tr -d / | sort --version-sort); }

mapfile -t versions < <(folders kubernetes)

# newest_for CONTAINERD prints the newest Kubernetes that it serves.
newest_for() {
	local limit="containerd/$1/newest-kubernetes"
	printf '%s\n' "${versions[@]}" | { if [[ -f $limit ]]; then grep -F "$(<"$limit")."; else cat; fi; } | tail -n 1
}

items=()
case "${1:-}" in
'')
	items=("${versions[@]/#/\"}")
	items=("${items[@]/%/\"}")
	;;
upgrades)
	for ((i = 1; i < ${#versions[@]}; i++)); do
		items+=("{\"from\":\"${versions[i - 1]}\",\"to\":\"${versions[i]}\"}")
	done
	;;
containerd)
	for containerd in $(folders containerd); do
		items+=("{\"containerd\":\"$containerd\",\"kubernetes\":\"$(newest_for "$containerd")\"}")
	done
	;;
*)
	echo "usage: scripts/versions.sh [upgrades|containerd]" >&2
	exit 3
	;;
esac
(IFS=, && printf '[%s]\n' "${items[*]}")
