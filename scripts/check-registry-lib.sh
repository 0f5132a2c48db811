# shellcheck shell=bash
# The demonstration registry of scripts/check-in-cluster.sh, which sources it: a registry of tools/registry on
# this machine, of which the nodes pull what the fixtures use.

declare -A PUSHED=() # digests by REPOSITORY:TAG
declare -A AT=()     # addresses by behaviour

# start_registry BEHAVIOUR... pushes the bundle's images into a registry, and has it listen, for each
# behaviour, where the nodes reach this machine: as themselves, as docker.io and registry.k8s.io have them,
# and below mirrored/, for -registry.
start_registry() {
	local folder=$CHECKS/registry host kind name value pushes=()
	mkdir -p "$folder/layout"
	tar -xf "$BUNDLE/images.tar" -C "$folder/layout"
	host=$(on_node worker ip -4 route show default | awk '{ if (NR == 1) print $3 }')
	while IFS=$'\t' read -r name value; do
		pushes+=(-push "$name=$value" -push "$name=mirrored/${value##*/}")
	done < <(pushed_as)
	(cd tools && ../scripts/go.sh build -o ../bin/registry ./registry)
	bin/registry -host "$host" -layout "$folder/layout" -user "procns:$PASSWORD" "${pushes[@]}" "$@" >"$folder/told" 2>"$folder/log" &
	HELPER=$!
	if ! retry 60 registry_listens "$#" || ! kill -0 "$HELPER" 2>/dev/null; then
		die "the registry does not listen on $host, where the nodes reach this machine: $(tail -n 1 "$folder/log")"
	fi
	while IFS=$'\t' read -r kind name value; do
		case $kind in
		image) PUSHED[$name]=$value ;;
		at) AT[$name]=$value ;;
		esac
	done <"$folder/told"
}

registry_listens() {
	kill -0 "$HELPER" 2>/dev/null || return 0 # there is nothing to wait for
	[[ $(grep -c '^at' "$CHECKS/registry/told") -ge $1 ]]
}

# workloads prints NAME<TAB>REFERENCE<TAB>DOCUMENTED of each image that the fixtures use: the reference is
# that in the bundle, the other one the repository and tag where its own registry has it.
workloads() {
	local flag name reference documented
	while IFS= read -r flag; do
		reference=${flag#-image=*=} name=${flag#-image=}
		name=${name%%=*}
		documented=$(awk -v name="$name" '$1 == name { print $2 }' fixtures/images/workloads.txt)
		documented=${documented%%@*}
		printf '%s\t%s\t%s\n' "$name" "$reference" "${documented#*/}"
	done < <(flags)
}

# pushed_as prints the names in the bundle, and what they are pushed as.
pushed_as() { workloads | awk -F '\t' '{ sub(/@.*/, "", $2); print $2 "\t" $3 }'; }

# by_pushed_digest prints flags for the digests that were pushed, one a line.
by_pushed_digest() {
	local name documented
	while IFS=$'\t' read -r name _ documented; do
		printf -- '-image=%s=@%s\n' "$name" "${PUSHED[$documented]}"
	done < <(workloads)
}

# pulls_from HOST ADDRESS has the workers' containerd take what is HOST's from that address alone, without TLS.
pulls_from() {
	local node
	for node in worker worker2; do
		# shellcheck disable=SC2016 # for the shell in the node
		"$ENGINE" exec --interactive "$CLUSTER-$node" sh -c 'mkdir -p "/etc/containerd/certs.d/$1" && cat >"/etc/containerd/certs.d/$1/hosts.toml"' place "$1" <<-END
			server = "http://$2"

			[host."http://$2"]
			  capabilities = ["pull", "resolve"]
		END
	done
}

# mirrored_by BEHAVIOUR has the workers pull from the registry that behaves so, whatever an image names.
mirrored_by() {
	pulls_from docker.io "${AT[$1]}"
	pulls_from registry.k8s.io "${AT[$1]}"
}

# forget_mirrors has the workers pull from where they did before.
forget_mirrors() {
	local node host
	for node in worker worker2; do
		for host in docker.io registry.k8s.io "${AT[@]}"; do
			on_node "$node" rm -rf "/etc/containerd/certs.d/$host"
		done
	done
}

# forget_images takes what the fixtures use from the workers, by whatever name, so that it has to be pulled.
# What the node's own sandboxes are made of is left. kind has loaded the images by the digests of their
# archives as well (import-DATE@DIGEST): these names go too, for they would keep the layers, which then
# need no pulling, and so does the runtime's memory of them, in which they have a name that does not go.
forget_images() {
	local node
	for node in worker worker2; do
		# shellcheck disable=SC2016 # for the shell in the node
		on_node "$node" sh -c 'remove() { xargs -r ctr -n k8s.io images remove --sync; }
			ours() {
				ctr -n k8s.io images list | awk "\$1 ~ \"^registry[.]k8s[.]io/pause:\" { kept[\$3] = 1 }
					\$1 ~ \"^(localhost/procns/|docker[.]io/library/(nginx|busybox)[:@]|registry[.]k8s[.]io/pause@|[0-9.]+:[0-9]+/)\" { ours[\$3] = 1 }
					{ digest[\$1] = \$3 }
					END { for (name in digest) if (digest[name] in ours && !(digest[name] in kept)) print name }"
			}
			imported() { ctr -n k8s.io images list --quiet | grep "^import-"; }
			ours | remove
			if imported >/dev/null; then
				imported | remove
				systemctl restart containerd
			fi' >/dev/null
		retry 60 on_node "$node" crictl info >/dev/null
	done
	until_ready
}

# asked_for PATTERN tells whether the registry was asked for something since the last run began.
asked_for() { grep -qE "$1" <(tail -n "+$((LOGGED + 1))" "$CHECKS/registry/log"); }

# run_pulling FLAGS... runs the suite where no image is on the workers, and returns the exit code.
run_pulling() {
	local code=0 began=$SECONDS
	forget_images
	LOGGED=$(wc -l <"$CHECKS/registry/log")
	run -nodes all "$@" || code=$?
	TOOK=$((SECONDS - began))
	tail -n 1 "$REPORTS/out" >&2
	return "$code"
}

# expect_told WHAT TEXT SECONDS expects of the last run that could not pull that it says so, in time, and calls
# nothing non-conformant.
expect_told() {
	local what=$1 text=$2 seconds=$3
	expect registry "$what: exit code 2" [ "$CODE" = 2 ]
	expect registry "$what: nothing is called non-conformant" [ "$(results non-conformant)" = 0 ]
	expect registry "$what: it is said why" grep -qE "$text" "$REPORTS"/*/report.json
	expect registry "$what: it took ${TOOK}s, less than $seconds" [ "$TOOK" -lt "$seconds" ]
	expect registry "$what: nothing is left on the cluster" nothing_left
	show_reasons inconclusive
}

# shellcheck disable=SC2034 # IMAGE_FLAGS: the run of check-lib.sh reads it
demonstrate_registry() {
	local IMAGE_FLAGS=() CODE TOOK=0 LOGGED=0 PASSWORD status core=(-level core)
	PASSWORD=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
	start_registry open password status=401 status=403 status=429 throttle=45s stall
	mapfile -t IMAGE_FLAGS < <(by_pushed_digest)

	mirrored_by open
	CODE=0
	run_pulling "${core[@]}" || CODE=$?
	expect registry "pulled by digest, through a mirror: Core is conformant" [ "$CODE" = 0 ]
	expect registry "the registry was asked for the digest" asked_for 'GET /v2/library/nginx/(manifests|blobs)/sha256:'
	expect registry "nothing is left on the cluster" nothing_left

	pulls_from "${AT[open]}" "${AT[open]}"
	CODE=0
	run_pulling "${core[@]}" -registry "${AT[open]}/mirrored" || CODE=$?
	expect registry "with -registry: Core is conformant" [ "$CODE" = 0 ]
	expect registry "the registry was asked for it by that path" asked_for '/v2/mirrored/nginx/manifests/sha256:'
	expect registry "nothing is left on the cluster" nothing_left

	pulls_from "${AT[password]}" "${AT[password]}"
	CODE=0
	run_pulling -run "$CASES" -registry "${AT[password]}/mirrored" || CODE=$?
	expect_told "a registry that demands a password, without it" 'no basic auth credentials|authorization failed|401 Unauthorized' 180
	kubectl -n default create secret docker-registry procns-registry --docker-server "${AT[password]}" --docker-username procns --docker-password "$PASSWORD" >/dev/null
	CODE=0
	run_pulling "${core[@]}" -registry "${AT[password]}/mirrored" -pull-secret default/procns-registry || CODE=$?
	kubectl -n default delete secret procns-registry >/dev/null
	expect registry "with -pull-secret: Core is conformant" [ "$CODE" = 0 ]
	expect registry "the password is in no report" fails grep -rqF "$PASSWORD" "$REPORTS"
	expect registry "nothing is left on the cluster" nothing_left

	for status in 401 403; do
		mirrored_by "status=$status"
		CODE=0
		run_pulling -run "$CASES" || CODE=$?
		expect_told "a registry that answers $status" "$status (Unauthorized|Forbidden)|no basic auth credentials" 180
	done

	mirrored_by throttle=45s
	CODE=0
	run_pulling -run "$CASES" || CODE=$?
	expect registry "a registry that throttles for 45 s: conformant all the same, after ${TOOK}s" [ "$CODE" = 0 ]

	mirrored_by status=429
	CODE=0
	run_pulling -run "$CASES" || CODE=$?
	expect_told "a registry that throttles for good" '429 Too Many Requests' 480

	mirrored_by stall
	CODE=0
	run_pulling -run "$CASES" -case-timeout 60s || CODE=$?
	expect_told "a registry that stalls" 'its pull has not ended' 480

	end_helper
	forget_mirrors
	forget_images
	load_into_workers "$BUNDLE/images.tar"
}
