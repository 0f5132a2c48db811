# shellcheck shell=bash
# shellcheck disable=SC2016,SC2317,SC2329 # as in by-hand.sh
# Areas of by-hand.sh: what the API server admits, and what controllers make. Source it, do not run it.

admission() {
	local kind text='ShareProcessNamespace and HostPID cannot both be enabled'
	# One refusal, of which the page of the field tells on both fields' side.
	expect admission/host-pid-excludes-sharing refused "$text" dry_run <<<"$(manifest admission-both)"
	expect admission/sharing-excludes-host-pid refused "$text" dry_run <<<"$(manifest admission-both)"
	for kind in Deployment ReplicaSet StatefulSet DaemonSet Job CronJob; do
		expect admission/templates-exclude-host-pid refused "$text" dry_run <<<"$(template "$kind")"
	done
	expect admission/text-is-refused refused shareProcessNamespace dry_run <<<"$(manifest markers | sed 's/shareProcessNamespace: true/shareProcessNamespace: "true"/')"
	expect admission/number-is-refused refused shareProcessNamespace dry_run <<<"$(manifest markers | sed 's/shareProcessNamespace: true/shareProcessNamespace: 1/')"
}

# dry_run has the server admit what is on standard input, and store nothing.
dry_run() { k create --dry-run=server -f -; }

# template KIND prints a workload whose pods would be in the node's PID namespace and share one of their own.
template() {
	local pod="{restartPolicy: Always, hostPID: true, shareProcessNamespace: true, containers: [{name: one, image: '$BUSYBOX_IMAGE'}]}"
	local api=apps/v1 spec="{selector: {matchLabels: {app: both}}, serviceName: both, template: {metadata: {labels: {app: both}}, spec: $pod}}"
	case $1 in
	Deployment | ReplicaSet | DaemonSet) spec=${spec/serviceName: both, /} ;;
	Job | CronJob)
		api=batch/v1
		spec="{template: {spec: ${pod/Always/Never}}}"
		;;
	esac
	if [[ $1 == CronJob ]]; then
		spec="{schedule: '0 0 1 1 *', jobTemplate: {spec: $spec}}"
	fi
	printf 'apiVersion: %s\nkind: %s\nmetadata: {name: both}\nspec: %s\n' "$api" "$1" "$spec"
}

controllers() {
	local kind selector
	for kind in deployment replicaset statefulset daemonset job; do
		selector=app=$kind
		[[ $kind != job ]] || selector=job-name=job
		apply "controllers-$kind"
		soon 60 made "$selector"
		k wait --for=condition=Ready pod --selector "$selector" --timeout=180s >/dev/null
		expect "controllers/$kind-shares" same "$(k get pods --selector "$selector" -o jsonpath='{.items[0].spec.shareProcessNamespace}')" true
		expect "controllers/$kind-shares" same "$(namespace_of "$kind/$kind" one)" "$(namespace_of "$kind/$kind" two)"
		remove "$kind/$kind"
	done
	manifest controllers-cronjob | k apply -f - >/dev/null # it is not due, and makes no pod
	expect controllers/cronjob-keeps-the-field same "$(field cronjob/cronjob .jobTemplate.spec.template.spec)" true
	remove cronjob/cronjob
}

# made SELECTOR tells whether a controller has made its pod.
made() { [[ -n $(k get pods --selector "$1" -o name) ]]; }
