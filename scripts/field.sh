#!/usr/bin/env bash
# What real clusters do to a run (e2e/field): under each input (policies, webhooks, an API that is
# down, a signal that comes twice) the suite must say what is right there.
#
#     scripts/field.sh                       on a kind cluster made for it, and deleted
#     KUBECONFIG=… scripts/field.sh          on a cluster that is there; IMAGE_FLAGS are the flags that
#                                            name its images. The inputs are for the whole cluster.
#     INPUTS='set-user|hung-up' scripts/field.sh
#
# Exits with 0 if each input gave its right answer.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

if [[ -z ${KUBECONFIG:-} ]]; then
	# shellcheck source=scripts/check-lib.sh
	. scripts/check-lib.sh
	make_cluster kind-config.yaml
	folder=$CHECKS
	images="${IMAGE_FLAGS[*]}"
else
	folder=$ROOT/_artifacts/field-$(date +%Y%m%d-%H%M%S)
	images=${IMAGE_FLAGS:-}
	make --no-print-directory build
fi
mkdir -p "$folder"
say "the inputs, one after the other (reports: $folder)"
PROCNS_TAGS=field scripts/go.sh test -count=1 -timeout 90m -v -run "^TestField\$/^(${INPUTS:-.*})\$" ./e2e/field \
	-args -kubeconfig "$KUBECONFIG" -images "$images" -procns "$ROOT/bin/procns.test" -reports "$folder" 2>&1 | tee "$folder/field.log"
