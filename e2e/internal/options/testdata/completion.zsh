#compdef procns.test procns
# zsh completion of procns.test: source <(procns.test -completion zsh)

_procns_cases() {
	local -a ids=(${${(f)"$(${words[1]} -list 2>/dev/null)"}%% *})
	ids+=(${(u)ids%%/*})
	compset -P '*,'
	compadd -q -S , -- $ids
}

_procns_contexts() {
	compadd -- ${(f)"$(kubectl config get-contexts --output=name 2>/dev/null)"}
}

_procns() {
	_arguments -S \
		'*-kubeconfig[kubeconfig file of the cluster to test, or a list of files as in $KUBECONFIG]:kubeconfig:_files' \
		'*-context[context of the kubeconfig to use]:context:_procns_contexts' \
		'-in-cluster[test the cluster that procns runs in, with its pod'\''s ServiceAccount]' \
		'*-profile[what the run is of]:profile:(sweep core full)' \
		'*-run[run only the cases that match this pattern]:run:_procns_cases' \
		'*-skip[leave out the cases that match this pattern, as for -run, or @host-pid]:skip:_procns_cases' \
		'*-level[run only the cases of this level]:level:(core extended informational)' \
		'*-exempt[results that are known not to pass, in this YAML file, or in one of the suite'\''s own lists, builtin\:gvisor or builtin\:kata]:exempt:_files' \
		'*-require[which level decides the exit code]:require:(core extended)' \
		'*-nodes[which nodes]:nodes:(sample all)' \
		'*-runtime-classes[names of RuntimeClasses, each a target of its own on each node; default stands for the node'\''s own runtime]:runtime-classes:(default)' \
		'*-tolerate[run on nodes with this taint as well]:tolerate:(all)' \
		'*-image[use another image, name=reference, such as nginx=registry.example/nginx@sha256\:…, or by digest alone, nginx=@sha256\:…; busybox stands for every tag of it that busybox\:1.28 does not name]:image:(busybox= nginx= pause=)' \
		'*-registry[take the images from this registry, with an optional path, as prefix]:registry:' \
		'*-pull-secret[pull with this existing Secret, NAMESPACE/NAME]:pull-secret:' \
		'*-namespace-label[give the run'\''s namespaces this label, key=value]:namespace-label:' \
		'*-pod-label[give every pod this label, key=value]:pod-label:' \
		'*-pod-annotation[give every pod this annotation, key=value]:pod-annotation:' \
		'*-baseline[compare the run with this earlier report.json]:baseline:_files' \
		'*-phase[phase of an upgrade that the run is in]:phase:(before after)' \
		'-version[say which build this is]' \
		'-list[list the cases that -run and -level select, without a cluster]' \
		'-list-images[list every image that these cases use, after -image and -registry, without a cluster]' \
		'*-compare[compare two reports, earlier.json later.json, without a cluster; the exit code is that of -baseline]:compare:_files' \
		'*-render[print the page, report.html, of this report.json, without a cluster; with the process tables of the evidence beside it, where the report holds none]:render:_files' \
		'*-print-exempt[print one of the suite'\''s own lists for -exempt, builtin\:list such as builtin\:gvisor, to be kept and edited as a file]:print-exempt:(builtin\:gvisor builtin\:kata)' \
		'-print-rbac[print the permissions that a run needs, as a manifest, without a cluster]' \
		'-dry-run[check the cluster and report every case as planned; nothing is created, and the exit code is 2 at best]' \
		'-cleanup[delete the namespaces that dead runs left on the cluster]' \
		'-witnesses[with -cleanup]' \
		'-down[delete the kind cluster that -keep kept]' \
		'*-completion[print what completes these flags in a shell]:completion:(bash zsh fish)' \
		'-v[print a line for each result as it is known, and in the end the table of all results and all that was recorded, as in e2e.log]' \
		'-quiet[print nothing but the verdict, in one line, and what could not be removed]' \
		'*-o[the form of what a run finds, of -version, a list or a comparison, on standard output]:o:(text json markdown)' \
		'*-progress[how a run shows what it does]:progress:(auto lines json)' \
		'-print-job[print a Job that runs the suite in the cluster, with its namespace and the permissions that it needs, as a manifest, without a cluster]' \
		'-print-sonobuoy-plugin[print a plugin for Sonobuoy, as a manifest, without a cluster]' \
		'*-suite-image[with -print-job and -print-sonobuoy-plugin]:suite-image:' \
		'*-results-claim[with -print-job]:results-claim:' \
		'*-linger[wait this duration at the end of the run for somebody who fetches the reports with -archive, or until they are fetched; with -print-job, the Job does]:linger:' \
		'*-archive[write the report folder to this file as a .tar.gz, or to standard output]:archive:_files' \
		'*-config[settings from this YAML file, by the names of these flags]:config:_files' \
		'*-report-dir[folder for the reports; each run makes a folder of its own in it]:report-dir:_files -/' \
		'*-resume[go on with the run that was interrupted and has left its results.jsonl in this folder]:resume:_files -/' \
		'-keep-on-failure[keep the pods of cases that did not pass, and their namespace, until -cleanup]' \
		'-fail-fast[start no pod any more after the first result that keeps the exit code from being 0]' \
		'*-timeout[longest duration of the whole run; what is not judged by then is inconclusive]:timeout:' \
		'*-case-timeout[longest duration that a case waits for its pod, and for what it needs to see first]:case-timeout:' \
		'*-parallel[how many pods are acted on and observed at one time]:parallel:' \
		'*-pods[how many pods each target runs at one time, at most]:pods:' \
		'*-starting[how many pods start at one time]:starting:' \
		'*-nodes-at-once[on how many nodes there is work at one time]:nodes-at-once:' \
		'*-qps[requests a second to the API server, at most this rate]:qps:' \
		'*-engine[container engine]:engine:(docker podman nerdctl)' \
		'*-node-image[node image]:node-image:' \
		'*-kind-config[kind'\''s configuration file]:kind-config:_files' \
		'*-kind-name[name of the cluster that -keep keeps, and that a run uses if it is there]:kind-name:' \
		'*-load[load this image archive into the nodes]:load:_files' \
		'*-machine[reach this node by a command, node=command such as vm="ssh root@vm"]:machine:' \
		'-keep[keep the cluster, for the next run to use again]' \
		'*-host-changes[what the set-up did to the host, as a text for the report]:host-changes:' \
		'-help[list the flags]'
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
	_procns "$@"
else
	compdef _procns procns.test procns
fi
