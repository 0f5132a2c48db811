package mutants

import "procns/e2e/internal/sabotage/wrapper"

// ends are mutants in which containers and pods do not end as they should.
func ends() []Mutant {
	return []Mutant{
		{
			Name:     "leftovers-survive",
			Breaks:   "What a container's first process leaves behind survives the container.",
			Imitates: "cri-o#5895, containerd#2744, runc#2632, kata#4663",
			Runtime:  &wrapper.Breakage{Leaving: wrapper.LeaveProcesses, Relay: true},
			Run:      []string{"lifecycle", "init", "reaping"},
			Falls: []Expected{
				{Cases: []string{"lifecycle/leftovers-die", "lifecycle/leftovers-of-exec-die", "lifecycle/no-leftovers-however-it-ends", "init/leftovers-are-gone"}},
				{Cases: []string{"lifecycle/restart-all-keeps-the-sandbox"}, Why: "of the containers that are all started anew, something is left"},
				{Cases: []string{"init/sees-only-the-sandbox-besides"}, Why: "what the init container before it left is there"},
				{Cases: []string{"disruption/containerd-restart-leaves-no-old-process"}, Why: "of the container that is killed after the restart, its child is left"},
			},
			Blurs: []Expected{{Cases: []string{"lifecycle/sandbox-end-with-restart-never", "lifecycle/sandbox-end-with-restart-on-failure",
				"lifecycle/sandbox-end-restarts-the-pod", "lifecycle/new-sandbox-shares"},
				Why: "what was left holds the container's end up: it is stopped, nothing can be looked at in it, and its status says that it runs"}},
			Disruptions: []string{"disruption/containerd-restart-leaves-no-old-process"},
		},
		{
			Name:     "restart-restarts-the-pod",
			Breaks:   "The restart of one container restarts the whole pod.",
			Imitates: "kata#4756 (a container that shares cannot be restarted alone)",
			Runtime:  &wrapper.Breakage{Container: wrapper.EndSandboxOnRestart},
			Run:      []string{"lifecycle", "stress", "signals/image-without-shell", "debug"},
			Falls: []Expected{
				{Cases: []string{"lifecycle/kill-spares-the-siblings", "lifecycle/liveness-failure-spares-the-siblings", "lifecycle/out-of-memory",
					"lifecycle/restart-always", "lifecycle/restart-on-failure", "stress/rapid-restarts", "signals/image-without-shell", "debug/exit-gives-a-new-shell", "lifecycle/nginx-quits"}},
				{Cases: []string{"lifecycle/kill-restarts-the-container", "lifecycle/restarted-container-shares", "lifecycle/exec-ends-with-its-container", "lifecycle/exec-killed-by-a-sibling",
					"lifecycle/exit-codes", "lifecycle/leftovers-die", "lifecycle/leftovers-of-exec-die", "lifecycle/unread-session-container-ends", "lifecycle/logs-stay-apart"},
					Why: "the container is first started in the sandbox that is ending, and what is last known of it is that this failed (128, StartError)"},
			},
		},
		{
			Name:     "end-ends-the-pod",
			Breaks:   "The sandbox ends when one of several containers has ended.",
			Imitates: "moby#50523 (stopping one container kills all)",
			Runtime:  &wrapper.Breakage{Deleted: wrapper.EndSandboxWithContainer},
			Run:      []string{"lifecycle", "sidecar", "pid1/demanding-*"},
			Falls: []Expected{
				{Cases: []string{"lifecycle/restart-never", "lifecycle/restart-on-failure", "lifecycle/restart-always", "lifecycle/kill-spares-the-siblings", "lifecycle/restarted-container-shares",
					"lifecycle/liveness-failure-spares-the-siblings", "lifecycle/out-of-memory", "lifecycle/nginx-quits"}},
				{Cases: []string{"lifecycle/exit-codes"}, Why: "the container is first started in the sandbox that is ending, and what is last known of it is that this failed (128, StartError)"},
				{Cases: []string{"lifecycle/restart-all-keeps-the-sandbox"}, Why: "the first of the containers that are all started anew ends it"},
				{Cases: []string{"lifecycle/grace-period", "sidecar/told-to-end-in-the-init-phase"}, Why: "the sandbox ends with the first container that ends, and takes the others along"},
			},
			Chance: []Expected{{Cases: []string{"lifecycle/exec-ends-with-its-container", "lifecycle/exec-killed-by-a-sibling", "lifecycle/kill-restarts-the-container",
				"lifecycle/leftovers-die", "lifecycle/leftovers-of-exec-die", "lifecycle/unread-session-container-ends", "lifecycle/logs-stay-apart"},
				Why: "where kubelet is quick, the container is first started in the sandbox that is ending, and what is last known of it is that this failed (128, StartError)"},
				{Cases: []string{"lifecycle/pre-stop-hook-shares"}, Why: "the drainer can end with the sandbox before the herald's hook tells it"}},
			Blurs: []Expected{{Cases: []string{"sidecar/sees-the-others-end", "lifecycle/exec-in-the-grace-period"}, Why: "the container that would tell has ended with the sandbox"}},
		},
		{
			Name:     "control-group-left",
			Breaks:   "A deleted pod leaves a control group on its node.",
			Imitates: "runc#4040, #4145",
			Runtime:  &wrapper.Breakage{Deleted: wrapper.LeaveGroup("/sys/fs/cgroup")},
			Run:      []string{"lifecycle/nothing-left-on-the-node", "lifecycle/deletion-completes"},
			Falls:    []Expected{{Cases: []string{"lifecycle/nothing-left-on-the-node"}}},
		},
	}
}

// upgrades are mutants that begin to break while pods wait to be judged after an upgrade.
func upgrades() []Mutant {
	return []Mutant{{
		Name:     "upgraded-runtime-isolates",
		Breaks:   "An upgrade restarts containers of pods that share, into PID namespaces of their own.",
		Imitates: "kubernetes#129385 (a new kubelet restarts all containers), on a node whose new runtime ignores the field (kata-containers runtime#2788)",
		Runtime:  &wrapper.Breakage{Container: wrapper.Awake(wrapper.OwnPIDNamespace)},
		Between:  wake,
		Run:      []string{"upgrade"},
		Confined: "before it wakes up, it breaks nothing",
		Falls:    []Expected{{Cases: []string{"upgrade"}}},
	}}
}

// wake has the mutant begin, and stops a container of each witness, as an upgrade may. It ends
// when kubelet has started them again.
const wake = `
mkdir -p "$(dirname "$AWAKE")"
: >"$AWAKE"
ones() { crictl ps --quiet --label io.kubernetes.pod.namespace=procns-witnesses --name '^(nginx|one)$' | sort; }
before=$(ones)
[ -n "$before" ]
crictl stop --timeout 1 $before
# Kubelet starts them within seconds; two minutes are for a machine that is busy.
for i in $(seq 120); do
	after=$(ones)
	if [ "$(echo "$after" | wc -l)" = "$(echo "$before" | wc -l)" ] && ! echo "$after" | grep -qF "$before"; then
		exit 0
	fi
	sleep 1 # between two looks at the containers, which crictl cannot watch
done
echo "kubelet has not started the containers again"
exit 1
`

// nodes are mutants of the worker itself.
func nodes() []Mutant {
	return []Mutant{{
		Name:     "runtime-restart-ends-pods",
		Breaks:   "A restart of the container runtime ends every container on the node.",
		Imitates: "a containerd.service without KillMode=process and Delegate=yes: systemd then ends the shims along with it",
		Node:     endShimsWithRuntime,
		Run:      []string{"disruption"},
		Confined: "it breaks the node for every pod on it",
		Falls: []Expected{
			{Cases: []string{"disruption/containerd-restart-changes-nothing", "disruption/containerd-restart-keeps-new-containers-joining"}},
		},
	}}
}

// endShimsWithRuntime changes how systemd stops containerd: the shims are in its control group.
const endShimsWithRuntime = `
mkdir -p /etc/systemd/system/containerd.service.d
cat >/etc/systemd/system/containerd.service.d/50-procns-sabotage.conf <<'END'
[Service]
KillMode=control-group
TimeoutStopSec=5
END
systemctl daemon-reload
`
