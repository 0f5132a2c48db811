# bash completion of procns.test: source <(procns.test -completion bash)

_procns_cases() {
	"$1" -list 2>/dev/null | while read -r id _; do printf '%s\n%s\n' "$id" "${id%%/*}"; done | sort -u
}

_procns() {
	local word=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD - 1]} words='' listed=''
	if [[ $word == = ]]; then
		word=''
	elif [[ $flag == = ]]; then
		flag=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	case ${flag/#--/-} in
	-kubeconfig) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	-context) words=$(kubectl config get-contexts --output=name 2>/dev/null) ;;
	-profile) words='sweep core full' ;;
	-run) words+=" $(_procns_cases "${COMP_WORDS[0]}")" listed=${word%"${word##*,}"} ;;
	-skip) words='@host-pid' words+=" $(_procns_cases "${COMP_WORDS[0]}")" listed=${word%"${word##*,}"} ;;
	-level) words='core extended informational' ;;
	-exempt) words='builtin:gvisor builtin:kata' mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	-require) words='core extended' ;;
	-nodes) words='sample all' ;;
	-runtime-classes) words='default' ;;
	-tolerate) words='all' ;;
	-image) words='busybox= nginx= pause=' ;;
	-registry) return ;;
	-pull-secret) return ;;
	-namespace-label) return ;;
	-pod-label) return ;;
	-pod-annotation) return ;;
	-baseline) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	-phase) words='before after' ;;
	-compare) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	-render) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	-print-exempt) words='builtin:gvisor builtin:kata' ;;
	-completion) words='bash zsh fish' ;;
	-o) words='text json markdown' ;;
	-progress) words='auto lines json' ;;
	-suite-image) return ;;
	-results-claim) return ;;
	-linger) return ;;
	-archive) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	-config) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	-report-dir) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	-resume) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	-timeout) return ;;
	-case-timeout) return ;;
	-parallel) return ;;
	-pods) return ;;
	-starting) return ;;
	-nodes-at-once) return ;;
	-qps) return ;;
	-engine) words='docker podman nerdctl' ;;
	-node-image) return ;;
	-kind-config) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	-kind-name) return ;;
	-load) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	-machine) return ;;
	-host-changes) return ;;
	*) words='-kubeconfig -context -in-cluster -profile -run -skip -level -exempt -require -nodes -runtime-classes -tolerate -image -registry -pull-secret -namespace-label -pod-label -pod-annotation -baseline -phase -version -list -list-images -compare -render -print-exempt -print-rbac -dry-run -cleanup -witnesses -down -completion -v -quiet -o -progress -print-job -print-sonobuoy-plugin -suite-image -results-claim -linger -archive -config -report-dir -resume -keep-on-failure -fail-fast -timeout -case-timeout -parallel -pods -starting -nodes-at-once -qps -engine -node-image -kind-config -kind-name -load -machine -keep -host-changes -help' ;;
	esac
	local reply
	mapfile -t reply < <(compgen -W "$words" -- "${word#"$listed"}")
	COMPREPLY+=("${reply[@]/#/$listed}")
}

complete -o bashdefault -F _procns procns.test procns
