#!/usr/bin/env bash
# Runs the suite where the cluster is, by the lines of docs/IN_CLUSTER.md, and checks what comes of it:
#
#     scripts/check-in-cluster.sh [DEMONSTRATION ...]     default: all but the last two
#
# job        the bundle's Job under the printed permissions and Pod Security restricted: conformant, fetched
# bundle     the bundle's program and files alone, in another folder
# denied     a permission is missing: one line, exit code 3
# deleted    the pod is deleted in mid-run: nothing is left, and who waits gets the reports
# unfetched  nobody fetches: the Job ends with the run's code
# full       a volume that the evidence fills: the reports are there, and what is lost is said
# lost       the API server is stopped in mid-run, and comes again: no wrong verdict, and the reports are fetched
# sonobuoy   a container beside it that does what Sonobuoy's worker does
# broken     one worker's runtime is broken: exit code 1
# hydrophone Hydrophone runs the bundle's image: a conformant cluster, a broken one, a dry run
# registry   nothing is loaded into the nodes: they pull from a registry, by digest, through a mirror, by another
#            name, and with a password; and from one that refuses, throttles or stalls
#
# Each can be run alone. A kind cluster is made for them, as make e2e makes it, and deleted. CASES are the cases
# that are run where it is not Core. WORKLOADS is that of scripts/bundle.sh: build, unless it is set.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
# shellcheck source=scripts/check-lib.sh
. scripts/check-lib.sh
# shellcheck source=scripts/check-hydrophone-lib.sh
. scripts/check-hydrophone-lib.sh
# shellcheck source=scripts/check-registry-lib.sh
. scripts/check-registry-lib.sh

CASES=${CASES:-visibility,signals,filesystem,pid1,version}
BUNDLE=$CHECKS/bundle
RUNS_OF_JOB=0

# carry_bundle makes the bundle where no clone is, and loads its images into the workers.
carry_bundle() {
	say "making the bundle (log: $CHECKS/bundle.log)"
	WORKLOADS=${WORKLOADS:-build} PLATFORMS="linux/$(architecture)" scripts/bundle.sh "$BUNDLE" >"$CHECKS/bundle.log" 2>&1 ||
		{ tail -n 5 "$CHECKS/bundle.log" >&2; die "the bundle could not be made"; }
	load_into_workers "$BUNDLE/images.tar"
}

# flags prints the flags by which the bundle's manifests name its workloads.
flags() { sed -n 's/^ *- "\(-image=.*\)"$/\1/p' "$BUNDLE/manifests/job.yaml"; }

procns() { "$BUNDLE/bin/procns-linux-$(architecture)" "$@"; }

# print_job FLAGS... prints the Job of the bundle with further flags.
print_job() {
	local images=()
	mapfile -t images < <(flags)
	procns -print-job -suite-image "$(head -n 1 "$BUNDLE/images.txt")" -nodes all -run "$CASES" "${images[@]}" "$@"
}

# create_job creates the Job on standard input.
create_job() {
	RUNS_OF_JOB=$((RUNS_OF_JOB + 1))
	REPORTS="$CHECKS/job-$RUNS_OF_JOB"
	mkdir -p "$REPORTS"
	cat >"$REPORTS/job.yaml"
	apply <"$REPORTS/job.yaml"
}

await_job() { kubectl -n procns wait --for='jsonpath={.status.ready}=1' job/procns --timeout=120s >/dev/null; }

# start_job FLAGS... starts the Job, and waits until its pod runs.
start_job() {
	create_job < <(print_job "$@")
	await_job
}

# fetch fetches the reports by the documented line, unpacks them, and returns its exit code.
fetch() {
	local code=0
	kubectl -n procns exec job/procns -- procns -archive - >"$REPORTS/results.tar.gz" 2>"$REPORTS/fetching" || code=$?
	mkdir -p "$REPORTS/results"
	tar -xzf "$REPORTS/results.tar.gz" -C "$REPORTS/results" || true
	return "$code"
}

end_job() { unapply <"$REPORTS/job.yaml"; }

log_of_job() { kubectl -n procns logs job/procns 2>/dev/null; }

# job_is CONDITION [SECONDS] waits until the Job is complete, or has failed.
job_is() { kubectl -n procns wait --for="condition=$1" job/procns --timeout="${2:-90}s" >/dev/null; }

# verdict_of_job prints the last line that the run said of itself.
verdict_of_job() { log_of_job | { grep "^procns: " || echo "the log has no verdict"; } | tail -n 1 >&2 || true; }

demonstrate_job() {
	local code=0
	start_job
	fetch || code=$?
	verdict_of_job
	expect job "the exit code of the fetching line is the run's, 0" [ "$code" = 0 ]
	expect job "the reports are whole" [ -s "$REPORTS/results/report.json" ]
	expect job "and the evidence is there" [ -n "$(find "$REPORTS/results" -name pod.json -print -quit)" ]
	expect job "then the Job is complete, without waiting any longer" job_is complete
	expect job "no permission was used that is not printed" lacks "$REPORTS/results/e2e.log" "does not list"
	end_job
	expect job "nothing is left on the cluster" nothing_left
}

demonstrate_bundle() {
	local code=0 carried architecture images=()
	mapfile -t images < <(flags)
	architecture=$(architecture)
	REPORTS=$CHECKS/carried
	mkdir -p "$REPORTS"
	carried=$(mktemp -d)
	tar -xf "$BUNDLE.tar" -C "$carried" --strip-components=1
	cp "$KUBECONFIG" "$carried/kubeconfig"
	expect bundle "all its files are as they were made" sums_hold "$carried"
	(cd "$carried" && without_clone env -i "PATH=/usr/bin:/bin" "HOME=$carried" "bin/procns-linux-$architecture" -kubeconfig kubeconfig \
		-report-dir reports -nodes all -run "$CASES" "${images[@]}" >"$REPORTS/out" 2>&1) || code=$?
	tail -n 1 "$REPORTS/out" >&2
	cp -r "$carried/reports" "$REPORTS/" || true
	rm -rf "$carried"
	expect bundle "its program makes a verdict, with its images and nothing else" [ "$code" = 0 ]
	expect bundle "nothing is left on the cluster" nothing_left
}

# without_clone COMMAND... runs a command where this clone is not to be seen: an empty folder is in its place.
without_clone() {
	if [ "$(id -u)" != 0 ]; then
		say "bundle: only root can hide the clone from a program"
		"$@"
		return
	fi
	# shellcheck disable=SC2016 # for the shell without the clone
	unshare --mount --propagation private sh -c 'mount -t tmpfs none "$0" && exec "$@"' "$ROOT" "$@"
}

sums_hold() { (cd "$1" && sha256sum --quiet --check SHA256SUMS); }

demonstrate_denied() {
	local code=0
	create_job < <(print_job | sed 's#resources: \[pods/exec\]#resources: [pods/binding]#')
	expect denied "the Job fails" job_is failed
	log_of_job >"$REPORTS/out" || true
	grep '^procns: ' "$REPORTS/out" >&2 || true
	expect denied "one line of its log says what is missing" said "$REPORTS/out" "not allowed to create, get pods/exec"
	code=$(kubectl -n procns get pods --selector job-name=procns -o 'jsonpath={.items[*].status.containerStatuses[0].state.terminated.exitCode}')
	expect denied "the exit code is 3" [ "$code" = 3 ]
	end_job
	expect denied "nothing is left on the cluster" nothing_left
}

demonstrate_deleted() {
	local code=0 fetching
	start_job
	fetch &
	fetching=$!
	until grep -qE ' [1-9][0-9]* of [0-9]+ results' "$REPORTS/fetching" 2>/dev/null || ! kill -0 "$fetching" 2>/dev/null; do
		sleep 0.5 # between two looks at what the fetching line says
	done
	kubectl -n procns delete pod --selector job-name=procns --wait=false >/dev/null
	wait "$fetching" || code=$?
	expect deleted "who waits gets the reports of a run that was interrupted, exit code 2" [ "$code" = 2 ]
	expect deleted "they say so" said "$REPORTS/results/report.json" '"interrupted": true'
	expect deleted "the Job failed, and no second pod was made" job_is failed
	end_job
	expect deleted "nothing is left on the cluster" nothing_left
}

demonstrate_unfetched() {
	start_job -linger 5s
	expect unfetched "the Job is complete" job_is complete "${LIMIT:-1800}"
	verdict_of_job
	log_of_job >"$REPORTS/out" || true
	expect unfetched "its log holds the verdict" said "$REPORTS/out" "procns: conformant: "
	expect unfetched "and says that nobody came" said "$REPORTS/out" "nobody fetched the reports"
	end_job
	expect unfetched "nothing is left on the cluster" nothing_left
}

# A volume in memory has exactly the size that it is given.
demonstrate_full() {
	local code=0
	create_job < <(print_job | sed 's#emptyDir: {}#emptyDir: {medium: Memory, sizeLimit: 6Mi}#')
	await_job
	fetch || code=$?
	log_of_job | grep 'could not be written' >&2 || true
	expect full "the run has its verdict, exit code 0" [ "$code" = 0 ]
	expect full "the reports are whole" [ -s "$REPORTS/results/report.json" ]
	expect full "what is lost is said" said "$REPORTS/results/report.json" "of the files of evidence could not be written"
	end_job
	expect full "nothing is left on the cluster" nothing_left
}

demonstrate_lost() {
	local code=0
	start_job -progress json
	until [ "$(log_of_job | grep -c '"event":"case-ended"')" -ge 10 ] || job_ended; do
		sleep 0.5 # between two looks at the log
	done
	# The server ends its requests first, which takes longer than crictl waits unless it is told to.
	# shellcheck disable=SC2016 # for the shell in the node
	on_node control-plane sh -c 'crictl --timeout 60s stop --timeout 5 "$(crictl ps --quiet --name kube-apiserver)"' >/dev/null
	until_ready
	fetch || code=$?
	tail -n 1 "$REPORTS/results/e2e.log" >&2 || true
	expect lost "the run ends without a wrong verdict, with exit code 0 or 2: $code" is_one_of "$code" 0 2
	expect lost "the reports are whole" [ -s "$REPORTS/results/report.json" ]
	end_job
	expect lost "nothing is left on the cluster" nothing_left
}

# job_ended tells whether the Job's pod runs no more.
job_ended() { [ "$(kubectl -n procns get job procns -o 'jsonpath={.status.ready}')" != 1 ]; }

is_one_of() { [[ " ${*:2} " == *" $1 "* ]]; }

# The plugin's container, with what Sonobuoy adds to it, beside one that does what its worker does.
demonstrate_sonobuoy() {
	local status busybox images=()
	mapfile -t images < <(flags)
	busybox=$(printf '%s\n' "${images[@]}" | sed -n 's/^-image=busybox=//p')
	REPORTS=$CHECKS/sonobuoy
	mkdir -p "$REPORTS"
	procns -print-rbac | apply
	apply <<-END
		apiVersion: v1
		kind: Pod
		metadata: {name: plugin, namespace: procns}
		spec:
		  serviceAccountName: procns
		  restartPolicy: Never
		  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
		  containers:
		  - name: plugin
		    image: $(head -n 1 "$BUNDLE/images.txt")
		    imagePullPolicy: IfNotPresent
		    args: [$(printf '"%s", ' -run "$CASES" "${images[@]}")]
		    env: [{name: SONOBUOY_RESULTS_DIR, value: /tmp/sonobuoy/results}, {name: SONOBUOY_PROGRESS_PORT, value: "8099"}]
		    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
		    volumeMounts: &results [{name: results, mountPath: /tmp/sonobuoy/results}]
		  - name: sonobuoy-worker
		    image: $busybox
		    imagePullPolicy: IfNotPresent
		    command: [sh, -c, 'until [ -e /tmp/sonobuoy/results/done ]; do sleep 1; done; sleep 5; tar -xzOf "\$(cat /tmp/sonobuoy/results/done)" sonobuoy_results.yaml']
		    securityContext: {runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
		    volumeMounts: *results
		  volumes: [{name: results, emptyDir: {}}]
	END
	retry 60 worker_logs || true # until its container is there, and then until that ends
	kubectl -n procns logs plugin -c plugin >"$REPORTS/out" || true
	status=$(sed -n 's/^status: //p' "$REPORTS/sonobuoy_results.yaml")
	expect sonobuoy "another user's worker reads the results: $status" [ "$status" = passed ]
	kubectl -n procns delete pod plugin --grace-period=1 >/dev/null
	procns -print-rbac | unapply
	expect sonobuoy "nothing is left on the cluster" nothing_left
}

worker_logs() { kubectl -n procns logs --follow plugin -c sonobuoy-worker >"$REPORTS/sonobuoy_results.yaml" 2>/dev/null; }

# break_worker2 breaks the runtime of one worker, and mend_worker2 takes that back.
break_worker2() {
	scripts/break-node.sh own-pid-namespace "$CLUSTER-worker2" "$ENGINE" "$CLUSTER-worker2"
	until_ready
}

mend_worker2() {
	on_node worker2 sed -i '/BinaryName = "\/opt\/procns-sabotage\//d' /etc/containerd/config.toml
	on_node worker2 systemctl restart containerd
	until_ready
}

demonstrate_broken() {
	local code=0
	break_worker2
	start_job
	fetch || code=$?
	log_of_job >"$REPORTS/out" || true
	expect broken "the exit code of the fetching line is the run's, 1" [ "$code" = 1 ]
	expect broken "the log names what is wrong" said "$REPORTS/out" "NON-CONFORMANT pid1/is-the-sandbox"
	expect broken "the Job failed" job_is failed
	end_job
	mend_worker2
	expect broken "nothing is left on the cluster" nothing_left
}

demonstrations=("$@")
[ "$#" -gt 0 ] || demonstrations=(job bundle denied deleted unfetched full lost sonobuoy broken)
for demonstration in "${demonstrations[@]}"; do
	declare -F "demonstrate_$demonstration" >/dev/null || die "there is no demonstration $demonstration: the head of this script lists them"
done
make_cluster kind-config.yaml
carry_bundle
for demonstration in "${demonstrations[@]}"; do
	say "$demonstration"
	"demonstrate_$demonstration"
done
conclude
