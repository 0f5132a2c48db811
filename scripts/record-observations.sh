#!/usr/bin/env bash
# Copies the observations of one run, from its first target, to where the unit
# tests judge them again without a cluster:
#
#     scripts/record-observations.sh _artifacts/RUN
#
# What the run did not observe stays as it was.
#
# Use a run on a conformant cluster: TestJudgesOnRecordedPods expects every
# fixture to conform and every control to bite.
set -euo pipefail
cd "$(dirname "$0")/.."

run=${1:?name the folder of a run, such as _artifacts/20260101-120000-abcd}
into=e2e/cases/testdata/recorded
target=$(find "$run" -mindepth 1 -maxdepth 1 -type d ! -name nodes | sort | head -n 1)
[ -n "$target" ] || {
	echo "$run holds no target's evidence: name the folder of a run that judged something" >&2
	exit 3
}
mkdir -p "$into"
for stage in "$target"/*/; do
	cp "$stage/observation.json" "$into/$(basename "$stage").json"
done
echo "recorded $(find "$target" -name observation.json | wc -l) observations of $(basename "$target")"
