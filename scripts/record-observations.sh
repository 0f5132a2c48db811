#!/usr/bin/env bash
# Copies the observations of one run, from its first target, to where the unit
# tests judge them again without a cluster:
#
#     scripts/record-observations.sh _artifacts/RUN                      all that the run observed
#     scripts/record-observations.sh _artifacts/RUN 'orphans*' 'init.*'  only pods whose evidence has such a name
#
# What is not copied stays as it was. All cases that share a pod have to be in the run, as those of a
# whole area are: a pod is looked at until the cases of the run are satisfied.
#
# Use a run on a conformant cluster: TestJudgesOnRecordedPods expects every
# fixture to conform and every control to bite.
set -euo pipefail
cd "$(dirname "$0")/.."

run=${1:?name the folder of a run, such as _artifacts/20260101-120000-abcd}
shift
into=e2e/cases/testdata/recorded
target=$(find "$run" -mindepth 1 -maxdepth 1 -type d ! -name nodes | sort | sed -n 1p)
[ -n "$target" ] || {
	echo "$run holds no target's evidence: name the folder of a run that judged something" >&2
	exit 3
}
mkdir -p "$into"
recorded=0
for stage in "$target"/*/; do
	name=$(basename "$stage")
	chosen=$((!$#))
	for pattern; do
		# shellcheck disable=SC2254 # it is a pattern
		case $name in $pattern) chosen=1 ;; esac
	done
	if ((chosen)); then
		cp "$stage/observation.json" "$into/$name.json"
		recorded=$((recorded + 1))
	fi
done
((recorded)) || {
	echo "$run has no pod of the name $*" >&2
	exit 3
}
echo "recorded $recorded observations of $(basename "$target")"
