# shellcheck shell=bash
# The kind cluster CLUSTER, which a script makes for itself. Part of lib.sh, which sources it.

# kind_flags FOLDER sets KIND_FLAGS to the flags that scripts/on-kind.sh prints. They go through a file of
# the folder, so that its failure ends the script. CONTAINERS_CONF, which comes first, use_engine exports.
kind_flags() {
	scripts/on-kind.sh >"$1/on-kind"
	mapfile -d '' -t KIND_FLAGS <"$1/on-kind"
	rm "$1/on-kind"
	KIND_FLAGS=("${KIND_FLAGS[@]:1}")
}

# suite FOLDER FLAG... runs the suite on the cluster, which the first run makes from OUT/kind-config.yaml.
suite() {
	local folder=$1
	shift
	KEEP=1 ARGS="-kind-name $CLUSTER -kind-config $OUT/kind-config.yaml -report-dir $folder $*" in_group scripts/e2e.sh </dev/null
}

# first_run makes the cluster with a run of one case, which shows that it works.
first_run() {
	say "making the cluster $CLUSTER (log: $OUT/made.log)"
	suite "$OUT/made" -run pid1/is-the-sandbox >"$OUT/made.log" 2>&1 || { tail -n 5 "$OUT/made.log" >&2; die "the cluster could not be made"; }
}

# report_of FOLDER RUN CODE sets REPORT to the report.json of a run that ended with this exit code.
report_of() {
	local written=("$1"/*/report.json)
	[[ -f ${written[0]} ]] || die "$2 wrote no report (exit code $3)"
	# shellcheck disable=SC2034 # for who calls it
	REPORT=${written[0]}
}

# on_control_plane COMMAND... runs a command where the cluster's administrator is. With STDIN=1 it reads
# standard input.
on_control_plane() {
	"$ENGINE" exec ${STDIN:+--interactive} --env KUBECONFIG=/etc/kubernetes/admin.conf "$CLUSTER-control-plane" "$@"
}
