#!/usr/bin/env bash
# Prints the supported Kubernetes versions, oldest first, as a JSON array: the folders of
# fixtures/images/kubernetes, which is the one place that lists them. scripts/add-kubernetes-version.sh
# adds one.
#
#     scripts/versions.sh            ["v1.36.3","v1.37.2"]
#     scripts/versions.sh upgrades   [{"from":"v1.36.3","to":"v1.37.2"}]: each to the next
set -euo pipefail
cd "$(dirname "$0")/../fixtures/images/kubernetes"

mapfile -t versions < <(printf '%s\n' v*/ | tr -d / | sort --version-sort)

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
*)
	echo "usage: scripts/versions.sh [upgrades]" >&2
	exit 3
	;;
esac
(IFS=, && printf '[%s]\n' "${items[*]}")
