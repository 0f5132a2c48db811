#!/usr/bin/env bash
# The main job: a kind cluster on this machine, the catalogue on each of its
# workers, a report; then the cluster is deleted.
#
# Reads KEEP=1 (keep the cluster) and ARGS (further flags for the test binary);
# the scripts it calls read PROCNS_ENGINE, NODE_IMAGE, K8S_VERSION, CONTAINERD_VERSION, PROCNS_CACHE.
# Ends with the test binary's exit code, or 3 when something could not be set up.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

main() {
	local flags=()
	if [[ " ${ARGS:-}" =~ \ --?(kubeconfig|context|in-cluster)([=\ ]|$) ]]; then
		die "ARGS: make e2e makes a cluster of its own; on yours: make build, then bin/procns.test ${ARGS}"
	fi
	# Steps run in process groups of their own: an interrupt has to be passed on.
	on_exit clean_up
	step "test binary bin/procns.test" make --no-print-directory build
	if [ "${KEEP:-}" = 1 ]; then
		flags+=(-keep)
	fi
	# shellcheck disable=SC2086 # ARGS is a list of flags
	exec scripts/on-kind.sh bin/procns.test "${flags[@]}" ${ARGS:-}
}

main
