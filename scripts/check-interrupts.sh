#!/usr/bin/env bash
# Interrupts `make e2e` at several moments, as Ctrl-C on a terminal does, and
# counts what is left each time: containers, volumes, networks, processes.
#
#     scripts/check-interrupts.sh [SECONDS ...]     moments after the start
#
# Run it when everything is built already, so that the moments fall into the
# run: default 1 3 10 25 50 70.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
use_engine

# left prints everything that a run of ours could leave behind.
left() {
	"$ENGINE" ps --all --format 'container {{.Names}}' | grep procns || true
	"$ENGINE" volume ls --format 'volume {{.Name}}'
	"$ENGINE" network ls --format 'network {{.Name}}' | grep procns || true
	find "$CACHE/temp" -mindepth 1 -maxdepth 1 -printf 'temp %p\n'
	pgrep --full --list-full 'bin/procns\.test|kubeadm init|debootstrap --' | sed 's/^/process /' || true
}

failures=0
for moment in "${@:-1 3 10 25 50 70}"; do
	for seconds in $moment; do
		before=$(left)
		# bash has background commands ignore SIGINT, which scripts could not undo.
		setsid env --default-signal=INT make --no-print-directory e2e >"$CACHE/logs/interrupt.log" 2>&1 &
		group=$!
		began=$SECONDS
		touch "$CACHE/logs/interrupt.began"
		sleep "$seconds" # the moment at which the user presses Ctrl-C
		kill -INT -- "-$group" 2>/dev/null || say "the run had ended before ${seconds}s"
		code=0
		wait "$group" || code=$?
		# Before the test binary starts there is nothing to report.
		reports=$(find _artifacts -name report.json -newer "$CACHE/logs/interrupt.began" | wc -l)
		after=$(left)
		if [ "$before" = "$after" ]; then
			say "interrupted at ${seconds}s: ended $((SECONDS - began - seconds))s later with exit code $code, $reports report(s), nothing left"
		else
			say "interrupted at ${seconds}s: LEFT: $(comm -13 <(echo "$before" | sort) <(echo "$after" | sort) | tr '\n' ' ')"
			failures=$((failures + 1))
		fi
	done
done
[ "$failures" = 0 ]
