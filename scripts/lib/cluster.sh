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

# on_control_plane COMMAND... runs a command where the cluster's administrator is. With STDIN=1 it reads
# standard input.
on_control_plane() {
	"$ENGINE" exec ${STDIN:+--interactive} --env KUBECONFIG=/etc/kubernetes/admin.conf "$CLUSTER-control-plane" "$@"
}
