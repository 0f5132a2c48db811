#!/usr/bin/env bash
# Runs the suite on real clusters such as users have, and checks what it makes of each:
#
#     scripts/check-any-cluster.sh [DEMONSTRATION ...]     default: all of them
#
# input        wrong flags, contexts, credentials: one line each, exit code 3, in seconds
# preflight    the whole table within two seconds
# rbac         the whole catalogue with the permissions that -print-rbac prints, and no others
# incluster    the suite as a pod, with -in-cluster and the same permissions
# taints       a tainted worker is left out, and with -tolerate it is a target
# image        an image that one worker cannot have
# twice        two runs at one time
# interrupts   INTERRUPTS (50) runs, each interrupted at a random moment: nothing is left
# signals      timeout's signal, which comes twice at once, and a closed terminal: nothing is left
# plugin       a credential plugin that takes its time, and one that fails
# cleanup      a run that was killed outright, and -cleanup
# reports      -require, the times and names in junit_01.xml as CI systems read them, and report.html
# restricted   every namespace enforces Pod Security restricted, unless it says otherwise
# single       a cluster of one node, which is its control plane as well
#
# A kind cluster is made for it, as make e2e makes it, and deleted. CASES are the cases of the shorter
# demonstrations, SEED the seed of the random moments.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
# shellcheck source=scripts/check-lib.sh
. scripts/check-lib.sh

CASES=${CASES:-visibility,signals,filesystem,pid1,version}
INTERRUPTS=${INTERRUPTS:-50}
RANDOM=${SEED:-$(date +%N | sed 's/^0*//')}

# refused SUBJECT TEXT FLAGS... expects one line of procns' own that holds TEXT, and exit code 3.
refused() {
	local subject=$1 text=$2 code=0 said
	shift 2
	timeout 60 bin/procns.test -report-dir "$CHECKS/refused" "$@" >"$CHECKS/said" 2>&1 || code=$?
	said=$(grep '^procns: ' "$CHECKS/said" || true)
	say "$subject: exit code $code: $said"
	expect "$subject" "it is one line, and says \"$text\"" one_line_says "$said" "$text"
	expect "$subject" "the exit code is 3" [ "$code" = 3 ]
}

one_line_says() { [[ $1 != *$'\n'* && $1 == *"$2"* ]]; }

demonstrate_input() {
	local other=$CHECKS/other.kubeconfig
	refused "wrong context" 'there is no context "nowhere"' -kubeconfig "$KUBECONFIG" -context nowhere
	refused "unknown flag" "near: -kubeconfig" -kubeconf x
	refused "unknown flag value" "none of core, extended and informational" -level must
	sed -E 's#server: .*#server: https://127.0.0.1:1#' "$KUBECONFIG" >"$other"
	refused "unreachable server" "cannot be reached" -kubeconfig "$other"
	kubeconfig_with_token "$(kubectl -n default create token default --duration=10m | sed 's/.$/x/')" >"$other"
	refused "wrong credentials" "they are wrong or have expired: log in again" -kubeconfig "$other"
	kubeconfig_with_token "$(kubectl -n default create token default --duration=10m)" >"$other"
	refused "no permissions" "not allowed to" -kubeconfig "$other"
	print_rbac | sed '/resources: \[pods\/exec\]/,+1d; s/^\(  *name\): procns$/\1: no-exec/; s/namespace: procns/namespace: no-exec/' |
		awk '/^- apiGroups/ { held = $0; next } held { if ($0 ~ /resources:/) print held; held = "" } { print }' | apply
	kubeconfig_with_token "$(kubectl -n no-exec create token no-exec)" >"$other"
	refused "no permission for pods/exec" "pods/exec" -kubeconfig "$other"
	refused "report folder cannot be written" "the report folder cannot be written" -kubeconfig "$KUBECONFIG" -report-dir /proc/procns
	echo 'exemptions: [{case: pid1/is-the-sandbox' >"$CHECKS/exempt.yaml"
	refused "broken exempt file" "exempt" -kubeconfig "$KUBECONFIG" -exempt "$CHECKS/exempt.yaml"
	refused "unknown case" "near: pid1/is-the-sandbox" -kubeconfig "$KUBECONFIG" -run pid1/is-sandbox
	expect input "nothing is left on the cluster" nothing_left
}

demonstrate_preflight() {
	local seconds
	run -nodes all -dry-run || true
	seconds=$(sed -n 's/^==> preflight: \([0-9.]*\)s$/\1/p' "$REPORTS/out")
	sed -n '/^    server/,/^==> preflight/p' "$REPORTS/out" >&2
	expect preflight "the table took ${seconds}s, under two" awk "BEGIN { exit !($seconds < 2) }"
}

print_rbac() { bin/procns.test -print-rbac; }

# kubeconfig_with_token prints the cluster's kubeconfig with a token instead of the administrator.
kubeconfig_with_token() {
	sed -E '/client-(certificate|key)-data:/d' "$KUBECONFIG" | sed -E "s#^( *)user: *(\{\})?\$#\1user: {token: $1}#; t; s#^users:#users:#"
}

demonstrate_rbac() {
	local administrator=$KUBECONFIG code=0
	print_rbac | apply
	kubeconfig_with_token "$(kubectl -n procns create token procns --duration=2h)" >"$CHECKS/rbac.kubeconfig"
	KUBECONFIG=$CHECKS/rbac.kubeconfig
	run -nodes all || code=$?
	KUBECONFIG=$administrator
	tail -n 1 "$REPORTS/out" >&2
	grep permissions "$REPORTS/out" >&2
	expect rbac "the whole catalogue is conformant with the printed permissions alone" [ "$code" = 0 ]
	expect rbac "no permission was used that is not printed" lacks "$REPORTS/out" "does not list"
	expect rbac "nothing is left on the cluster" nothing_left
}

demonstrate_incluster() {
	local image=localhost/procns/check:1 folder=$CHECKS/image code
	IMAGE="${image%:*}" VERSION="${image##*:}" PLATFORMS="linux/$(architecture)" scripts/image.sh "$folder" >/dev/null
	load_into_workers "$folder/image.tar"
	print_rbac | apply
	apply <<-END
		apiVersion: v1
		kind: Pod
		metadata: {name: suite, namespace: procns}
		spec:
		  serviceAccountName: procns
		  restartPolicy: Never
		  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
		  containers:
		  - name: suite
		    image: $image
		    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
		    imagePullPolicy: Never
		    args: [$(printf '"%s", ' -in-cluster -report-dir /reports -nodes all -run "$CASES" "${IMAGE_FLAGS[@]}")]
		    volumeMounts: [{name: reports, mountPath: /reports}]
		  volumes: [{name: reports, emptyDir: {}}]
	END
	kubectl -n procns wait --for=condition=Ready pod/suite --timeout=120s >/dev/null
	kubectl -n procns logs --follow suite >"$CHECKS/in-cluster.out" # until it ends
	kubectl -n procns wait --for='jsonpath={.status.containerStatuses[0].state.terminated}' pod/suite --timeout=60s >/dev/null
	code=$(kubectl -n procns get pod suite -o 'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}')
	kubectl -n procns delete pod suite --wait=true >/dev/null
	tail -n 1 "$CHECKS/in-cluster.out" >&2
	expect incluster "from a pod of its own, the run is conformant" [ "$code" = 0 ]
	expect incluster "nothing is left on the cluster" nothing_left
}

demonstrate_taints() {
	local code=0
	kubectl taint node "$CLUSTER-worker2" dedicated=database:NoSchedule >/dev/null
	run -nodes all -run "$CASES" || code=$?
	grep -E '^    (nodes|  )' "$REPORTS/out" | grep 'left out' >&2 || true
	expect taints "without -tolerate the other worker alone is a target" [ "$code:$(results conformant worker2)" = 0:0 ]
	code=0
	run -nodes all -run "$CASES" -tolerate dedicated=database:NoSchedule || code=$?
	kubectl taint node "$CLUSTER-worker2" dedicated- >/dev/null
	expect taints "with it both are, and conformant: $(results conformant worker) and $(results conformant worker2) results" \
		[ "$code:$(results conformant worker)" = "0:$(results conformant worker2)" ]
	expect taints "nothing is left on the cluster" nothing_left
}

demonstrate_image() {
	local code=0 flag busybox=
	for flag in "${IMAGE_FLAGS[@]}"; do
		case $flag in busybox=*) busybox=${flag#busybox=} ;; esac
	done
	on_node worker2 ctr -n k8s.io images export /procns-busybox.tar "$busybox" >/dev/null
	on_node worker2 crictl rmi "$busybox" >/dev/null
	local began=$SECONDS
	run -nodes all -run "$CASES" || code=$?
	on_node worker2 ctr -n k8s.io images import /procns-busybox.tar >/dev/null
	on_node worker2 rm /procns-busybox.tar
	say "image: $((SECONDS - began))s; worker: $(results conformant worker) conformant; worker2: $(results conformant worker2) conformant, $(results inconclusive worker2) inconclusive"
	show_reasons inconclusive
	expect image "exit code 2" [ "$code" = 2 ]
	expect image "the worker with the image is conformant" [ "$(results inconclusive worker):$(results non-conformant)" = 0:0 ]
	expect image "the worker without it is inconclusive" [ "$(results inconclusive worker2)" -gt 0 ]
	expect image "nothing is left on the cluster" nothing_left
}

demonstrate_twice() {
	local first first_reports code=0
	start_run -nodes all -run "$CASES"
	first=$RUNNING first_reports=$REPORTS
	start_run -nodes all -run "$CASES"
	await_run 1800 || code=$?
	expect twice "one run is conformant" [ "$code" = 0 ]
	code=0
	wait "$first" || code=$?
	tail -qn 1 "$first_reports/out" "$REPORTS/out" >&2
	expect twice "the other is, too" [ "$code" = 0 ]
	expect twice "nothing is left on the cluster" nothing_left
}

demonstrate_interrupts() {
	local number moment left=0 slowest=0 began code
	local -A codes=()
	for ((number = 1; number <= INTERRUPTS; number++)); do
		start_run -nodes all
		moment=$(awk "BEGIN { printf \"%.1f\", $RANDOM / 32768 * 30 }")
		sleep "$moment" # the moment at which the user presses Ctrl-C
		began=$SECONDS
		kill -INT -- "-$RUNNING" 2>/dev/null || true
		code=0
		await_run 300 || code=$?
		codes[$code]=$((${codes[$code]:-0} + 1))
		((SECONDS - began <= slowest)) || slowest=$((SECONDS - began))
		if ! nothing_left; then
			left=$((left + 1))
			say "interrupts: run $number, interrupted after ${moment}s, left something"
		fi
	done
	local summary=
	for code in "${!codes[@]}"; do summary+=" ${codes[$code]} with exit code $code;"; done
	say "interrupts: $INTERRUPTS runs:$summary the slowest ended ${slowest}s after the interrupt"
	expect interrupts "of $INTERRUPTS interrupted runs, $left left something" [ "$left" = 0 ]
}

demonstrate_signals() {
	local code=0
	mkdir -p "$CHECKS/timeout"
	timeout --signal TERM 8 bin/procns.test -kubeconfig "$KUBECONFIG" -report-dir "$CHECKS/timeout" "${IMAGE_FLAGS[@]}" \
		>"$CHECKS/timeout/out" 2>&1 || code=$?
	expect signals "timeout ended the run" [ "$code" = 124 ]
	expect signals "which cleaned up" nothing_left
	expect signals "and wrote its report" [ -s "$(echo "$CHECKS"/timeout/*/report.json)" ]
	start_run -nodes all
	await_results 1
	kill -HUP "$RUNNING"
	code=0
	await_run 120 || code=$?
	expect signals "a run whose terminal was closed is inconclusive" [ "$code" = 2 ]
	expect signals "and cleaned up" nothing_left
}

# plugin_kubeconfig COMMAND... prints the cluster's kubeconfig with a credential plugin that runs the
# commands before it gives a token.
plugin_kubeconfig() {
	local plugin=$CHECKS/login-helper token
	token=$(kubectl -n procns create token procns --duration=10m)
	cat >"$plugin" <<-END
		#!/bin/sh
		$*
		echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"$token"}}'
	END
	chmod +x "$plugin"
	sed -E '/client-(certificate|key)-data:/d' "$KUBECONFIG" |
		sed -E "s#^( *)user: *(\{\})?\$#\1user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: $plugin, interactiveMode: IfAvailable}}#; t; s#^users:#users:#"
}

demonstrate_plugin() {
	local code=0
	print_rbac | apply
	plugin_kubeconfig 'echo "open https://sso.example/device" >&2; sleep 15' >"$CHECKS/plugin.kubeconfig"
	KUBECONFIG=$CHECKS/plugin.kubeconfig run -run pid1/is-the-sandbox || code=$?
	expect plugin "a plugin that takes 15 seconds is waited for, and the run is conformant" [ "$code" = 0 ]
	expect plugin "what is waited for is said" grep -q 'waiting for the credential plugin login-helper' "$REPORTS/out"
	plugin_kubeconfig 'echo "the session has expired" >&2; exit 7' >"$CHECKS/plugin.kubeconfig"
	refused "a plugin that fails" "exit code 7: the session has expired" -kubeconfig "$CHECKS/plugin.kubeconfig"
	print_rbac | unapply
}

demonstrate_cleanup() {
	start_run -nodes all -run "$CASES"
	await_results 3
	kill -KILL "$RUNNING"
	await_run 60 || true
	expect cleanup "a run that was killed leaves its namespace" fails nothing_left
	bin/procns.test -kubeconfig "$KUBECONFIG" -cleanup -report-dir "$CHECKS/cleanup" >&2
	expect cleanup "-cleanup removes it" nothing_left
}

fails() { ! "$@"; }

demonstrate_reports() {
	local code=0 junit
	have xmllint || require_packages libxml2-utils
	run -nodes all -run "$CASES" -require core || code=$?
	tail -n 1 "$REPORTS/out" >&2
	expect reports "with -require core, Core alone decides" [ "$code" = 0 ]
	expect reports "the last line says so" one_line_says "$(tail -n 1 "$REPORTS/out")" "exit code by -require core"
	junit=$(echo "$REPORTS"/*/junit_01.xml)
	expect reports "junit_01.xml follows its schema" xmllint --noout --nonet --schema e2e/internal/report/testdata/junit.xsd "$junit"
	expect reports "no case took longer than the run" holds "$junit" 'not(//testcase[@time > /testsuites/@time])'
	expect reports "report.html is written from report.json alone" renders "$REPORTS"/*/report.json
	# 40 pods on each of two targets: the default of -pods.
	expect reports "all cases took at most the run's time by the number of pods" holds "$junit" 'sum(//testcase/@time) <= 80 * /testsuites/@time'
	expect reports "no suite and no class has the cluster's name" holds "$junit" "not(//@name[contains(., '$CLUSTER')] | //@classname[contains(., '$CLUSTER')])"
	code=0
	run -run permissions -level informational || code=$?
	tail -n 1 "$REPORTS/out" >&2
	expect reports "a run of Informational cases alone is inconclusive" [ "$code" = 2 ]
}

# renders FILE tells whether -render writes of a report what the run wrote beside it.
renders() { bin/procns.test -render "$1" | cmp --silent - "$(dirname "$1")/report.html"; }

# holds FILE XPATH tells whether something is true of an XML document.
holds() { [[ $(xmllint --xpath "$2" "$1") == true ]]; }

# The API server's own default, for namespaces without a label of their own.
demonstrate_restricted() {
	local code=0
	STDIN=1 on_control_plane sh -c 'cat >/etc/kubernetes/pki/admission.yaml' <<-'END'
		apiVersion: apiserver.config.k8s.io/v1
		kind: AdmissionConfiguration
		plugins:
		- name: PodSecurity
		  configuration:
		    apiVersion: pod-security.admission.config.k8s.io/v1
		    kind: PodSecurityConfiguration
		    defaults: {enforce: restricted, enforce-version: latest}
		    exemptions: {namespaces: [kube-system]}
	END
	on_control_plane sed -i 's#^    - kube-apiserver$#&\n    - --admission-control-config-file=/etc/kubernetes/pki/admission.yaml#' /etc/kubernetes/manifests/kube-apiserver.yaml
	retry 90 refuses_plain_pods || true # that it does not is counted below
	expect restricted "a plain pod is refused in namespace default" refuses_plain_pods
	until_ready
	run -nodes all -run "$CASES" || code=$?
	grep 'pod security' "$REPORTS/out" >&2
	tail -n 1 "$REPORTS/out" >&2
	expect restricted "the run is conformant, in a namespace that says privileged of itself" [ "$code" = 0 ]
	expect restricted "nothing is left on the cluster" nothing_left
}

refuses_plain_pods() {
	local said
	said=$(kubectl run probe --image=busybox --dry-run=server 2>&1 || true)
	[[ $said == *'violates PodSecurity "restricted'* ]]
}

demonstrate_single() {
	local code=0
	cat >"$CHECKS/single.yaml" <<-'END'
		kind: Cluster
		apiVersion: kind.x-k8s.io/v1alpha4
		networking: {podSubnet: 10.244.0.0/16}
		nodes:
		  - role: control-plane
	END
	make_cluster "$CHECKS/single.yaml"
	run || code=$?
	sed -n '/^    nodes/p' "$REPORTS/out" >&2
	tail -n 1 "$REPORTS/out" >&2
	expect single "the whole catalogue is conformant on the control plane" [ "$code" = 0 ]
	expect single "nothing is left on the cluster" nothing_left
}

demonstrations=("$@")
[ "$#" -gt 0 ] || demonstrations=(input preflight rbac incluster taints image twice interrupts signals plugin cleanup reports restricted single)
on_three_nodes=() on_one=()
for demonstration in "${demonstrations[@]}"; do
	declare -F "demonstrate_$demonstration" >/dev/null || die "there is no demonstration $demonstration: the head of this script lists them"
	case $demonstration in
	single) on_one+=("$demonstration") ;; # last, because its cluster takes the place of the others' one
	*) on_three_nodes+=("$demonstration") ;;
	esac
done
if ((${#on_three_nodes[@]} > 0)); then
	make_cluster kind-config.yaml
fi
for demonstration in "${on_three_nodes[@]}" "${on_one[@]}"; do
	say "$demonstration"
	"demonstrate_$demonstration"
done
conclude
