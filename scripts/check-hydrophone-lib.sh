# shellcheck shell=bash
# The demonstration hydrophone of scripts/check-in-cluster.sh, which sources it.

# run_hydrophone FOLDER FLAGS... runs Hydrophone with the bundle's images, and returns its exit code. Its
# files are in the folder then, and what it printed is in the folder's out.
run_hydrophone() {
	local code=0 extra=--nodes=all flag busybox=
	REPORTS="$CHECKS/$1"
	shift
	mkdir -p "$REPORTS"
	while IFS= read -r flag; do
		extra+=",-$flag" # it demands two dashes
		case $flag in -image=busybox=*) busybox=${flag#-image=busybox=} ;; esac
	done < <(flags)
	# It never gives up by itself.
	timeout --kill-after=10 "${LIMIT:-1800}" "$HYDROPHONE" --kubeconfig "$KUBECONFIG" --output-dir "$REPORTS" \
		--conformance-image "$(head -n 1 "$BUNDLE/images.txt")" --busybox-image "$busybox" --extra-args "$extra" "$@" \
		>"$REPORTS/out" 2>&1 || code=$?
	sed -n '/^procns: [a-z-]*: /p' "$REPORTS/out" | tail -n 1 >&2
	return "$code"
}

# hydrophone_is_gone tells whether it left nothing of its own.
hydrophone_is_gone() {
	local left
	left=$(kubectl get namespace conformance --ignore-not-found --output name
		kubectl get clusterrole,clusterrolebinding --selector component=conformance --output name)
	if [[ -n $left ]]; then
		say "left: ${left//$'\n'/, }"
		return 1
	fi
}

ran() { grep -q "name=\"$2" "$1/junit_01.xml"; }

# What is expected of each run: its exit code, its files, its verdict in both, and that nothing is left.
expect_of_hydrophone() {
	local what=$1 code=$2 want=$3 verdict=$4
	expect hydrophone "$what: its exit code is the run's, $want" [ "$code" = "$want" ]
	expect hydrophone "$what: the log that it fetched has the verdict" said "$REPORTS/e2e.log" "procns: $verdict: "
	expect hydrophone "$what: so has what it printed" said "$REPORTS/out" "procns: $verdict: "
	expect hydrophone "$what: JUnit's document is there" said "$REPORTS/junit_01.xml" "</testsuites>"
	expect hydrophone "$what: nothing of the suite is left" nothing_left
	expect hydrophone "$what: nor of Hydrophone" hydrophone_is_gone
}

demonstrate_hydrophone() {
	local code=0 focus='^(visibility|signals|pid1|version)/'
	HYDROPHONE=$(scripts/hydrophone.sh)
	# Its pod tolerates every taint, and may come to any node.
	load_into "$BUNDLE/images.tar" control-plane

	run_hydrophone hydrophone --disable-progress-status --focus "$focus" --skip 'version/' || code=$?
	expect_of_hydrophone conformant "$code" 0 conformant
	expect hydrophone "what the focus names is run" ran "$REPORTS" "visibility/"
	expect hydrophone "what it does not name is not" fails ran "$REPORTS" "filesystem/"
	expect hydrophone "nor is what is skipped" fails ran "$REPORTS" "version/"

	code=0
	run_hydrophone hydrophone-progress --focus 'pid1/is-the-sandbox \[Core\]' || code=$?
	expect_of_hydrophone "with its progress" "$code" 0 conformant

	code=0
	run_hydrophone hydrophone-dry --disable-progress-status --dry-run || code=$?
	expect_of_hydrophone "a dry run" "$code" 2 inconclusive

	code=0
	run_hydrophone hydrophone-refused --disable-progress-status --focus sig-network || code=$?
	expect hydrophone "no such case: exit code 3" [ "$code" = 3 ]
	expect hydrophone "no such case: it is said" said "$REPORTS/out" "procns: E2E_FOCUS=sig-network leaves none of the cases"
	expect hydrophone "no such case: nothing of Hydrophone is left" hydrophone_is_gone

	run_hydrophone hydrophone-images --list-images || true
	expect hydrophone "it lists the images" said "$REPORTS/out" "docker.io/library/nginx"

	break_worker2
	code=0
	run_hydrophone hydrophone-broken --disable-progress-status --focus "$focus" || code=$?
	mend_worker2
	expect_of_hydrophone "a broken node" "$code" 1 non-conformant
	expect hydrophone "the log names what is wrong" said "$REPORTS/e2e.log" "NON-CONFORMANT"
}
