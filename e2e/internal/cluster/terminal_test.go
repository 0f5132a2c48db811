package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"

	"procns/e2e/internal/suite"
)

func waiting(reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "shell", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message},
	}}
}

// inStatus are pods of one container named shell.
func inStatus(policy corev1.RestartPolicy, status corev1.PodStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns"},
		Spec:       corev1.PodSpec{NodeName: "node-a", RestartPolicy: policy, Containers: []corev1.Container{{Name: "shell"}}},
		Status:     status,
	}
}

func crashed(reason string, code int32) corev1.ContainerStatus {
	c := waiting("CrashLoopBackOff", "back-off 10s restarting failed container")
	c.RestartCount = 1
	c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code, Message: "said at the end"}
	return c
}

// refusedPull is what kubelet says of a registry that answers with this status, with containerd.
func refusedPull(status string) string {
	return `Back-off pulling image "docker.io/library/nginx:1@sha256:00": ErrImagePull: failed to pull and unpack image "docker.io/library/nginx@sha256:00": ` +
		`failed to resolve reference "docker.io/library/nginx@sha256:00": unexpected status from HEAD request to http://10.0.0.1:5000/v2/library/nginx/manifests/sha256:00?ns=docker.io: ` + status
}

func refusedByScheduler(message string) corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: message},
	}}
}

// TestObstacles: what ends a wait, after how long, and what does not.
func TestObstacles(t *testing.T) {
	const never = time.Duration(-1)
	of := func(cs ...corev1.ContainerStatus) corev1.PodStatus {
		return corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: cs,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue}}}
	}
	ended := func(code int32) corev1.PodStatus {
		return corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{
			{Name: "shell", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: "Error"}}}}}
	}
	over := ended(42)
	over.Phase = corev1.PodFailed
	const away = "2 node(s) didn't match Pod's node affinity/selector"
	backsOff := ended(3) // as kubelet shows it since v1.37
	backsOff.ContainerStatuses[0].RestartCount = 1
	for name, row := range map[string]struct {
		status corev1.PodStatus
		policy corev1.RestartPolicy
		lasts  time.Duration // for one whose containers may not end
		mayEnd time.Duration // for one whose containers may
		says   string
	}{
		"starting":               {of(waiting("ContainerCreating", "")), "", never, never, ""},
		"first pull":             {of(waiting("ErrImagePull", "timeout")), "", pullErrorLasts, pullErrorLasts, "ErrImagePull: timeout"},
		"no such image":          {of(waiting("ImagePullBackOff", "Back-off pulling image: ErrImagePull: docker.io/x:1: not found")), "", 0, 0, "shell: ImagePullBackOff"},
		"may not be pulled":      {of(waiting("ImagePullBackOff", "pull access denied, repository does not exist or may require authorization")), "", 0, 0, "access denied"},
		"registry does not come": {of(waiting("ImagePullBackOff", "dial tcp: lookup registry.example: no such host")), "", pullErrorLasts, pullErrorLasts, "no such host"},
		"forbidden":              {of(waiting("ImagePullBackOff", refusedPull("403 Forbidden"))), "", 0, 0, "403 Forbidden"},
		"a password is asked for": {of(waiting("ImagePullBackOff",
			"Back-off pulling image: ErrImagePull: failed to resolve image: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials")),
			"", 0, 0, "no basic auth credentials"},
		"a wrong password":     {of(waiting("ImagePullBackOff", refusedPull("401 Unauthorized"))), "", 0, 0, "401 Unauthorized"},
		"throttled, at once":   {of(waiting("ErrImagePull", refusedPull("429 Too Many Requests"))), "", throttledLasts, throttledLasts, "429 Too Many"},
		"throttled":            {of(waiting("ImagePullBackOff", refusedPull("429 Too Many Requests"))), "", throttledLasts, throttledLasts, "429 Too Many"},
		"throttled by kubelet": {of(waiting("ImagePullBackOff", "Back-off pulling image: ErrImagePull: pull QPS exceeded")), "", throttledLasts, throttledLasts, "QPS"},
		"a registry's fault":   {of(waiting("ImagePullBackOff", refusedPull("503 Service Unavailable"))), "", pullErrorLasts, pullErrorLasts, "503"},
		"wrong name":           {of(waiting("InvalidImageName", "")), "", 0, 0, "InvalidImageName"},
		"init's image":         {corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{waiting("ErrImageNeverPull", "")}}, "", 0, 0, "ErrImageNeverPull"},
		"debugger's image": {corev1.PodStatus{
			ContainerStatuses:          []corev1.ContainerStatus{{Name: "app", Ready: true}},
			EphemeralContainerStatuses: []corev1.ContainerStatus{waiting("ErrImageNeverPull", "not there")},
		}, "", 0, 0, "shell: ErrImageNeverPull: not there"},

		"crash loop":                  {of(crashed("Error", 3)), "", 0, never, "container shell ends again and again (1 restarts), the last time with exit code 3 (Error): said at the end"},
		"crash loop, by its last end": {backsOff, corev1.RestartPolicyAlways, 0, never, "ends again and again (1 restarts), the last time with exit code 3 (Error)"},
		"killed for lack of memory":   {of(crashed("OOMKilled", 137)), "", 0, never, "exit code 137 (OOMKilled)"},
		"the program cannot start":    {of(crashed("StartError", 128)), "", runtimeErrorLasts, never, "exit code 128 (StartError)"},
		"crash loop, its end unknown": {of(waiting("CrashLoopBackOff", "back-off")), "", runtimeErrorLasts, never, "CrashLoopBackOff"},
		"configuration":               {of(waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")), "", configErrorLasts, never, "runAsNonRoot"},
		"not created":                 {of(waiting("CreateContainerError", "context deadline exceeded")), "", runtimeErrorLasts, never, "CreateContainerError"},
		"not run":                     {of(waiting("RunContainerError", "no such file")), "", runtimeErrorLasts, never, "RunContainerError: no such file"},
		"hook":                        {of(waiting("PostStartHookError", "exit 1")), "", runtimeErrorLasts, never, "PostStartHookError: exit 1"},

		"kubelet refuses":                 {corev1.PodStatus{Phase: corev1.PodFailed, Reason: "OutOfcpu", Message: "no cpu"}, "", 0, 0, "OutOfcpu: no cpu"},
		"failed":                          {over, corev1.RestartPolicyNever, 0, never, "exit code 42"},
		"ended, and is started again":     {ended(42), corev1.RestartPolicyAlways, never, never, ""},
		"ended, and is not started again": {ended(42), corev1.RestartPolicyNever, 0, never, "container shell has ended and is not started again: exit code 42 (Error)"},
		"failed, and is started again":    {ended(1), corev1.RestartPolicyOnFailure, never, never, ""},
		"done, and is not started again":  {ended(0), corev1.RestartPolicyOnFailure, 0, never, "exit code 0"},
		"no sandbox":                      {corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{waiting("ContainerCreating", "")}}, "", sandboxLasts, sandboxLasts, ""},
		"another node's, and a taint":     {refusedByScheduler("0/3 nodes are available: 1 node(s) had untolerated taint {a: b, c}, " + away + ". preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."), "", 0, 0, "untolerated taint {a: b, c}"},
		"taints, counted together":        {refusedByScheduler("0/3 nodes are available: 1 node(s) had untolerated taint(s), " + away + "."), "", 0, 0, "untolerated taint(s)"},
		"no node at all":                  {refusedByScheduler("0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity]. no new claims to deallocate, preemption: not helpful."), "", 0, 0, "NodeAffinity"},
		"no room":                         {refusedByScheduler("0/3 nodes are available: 1 Insufficient cpu, " + away + "."), "", roomLasts, roomLasts, "Insufficient cpu"},
		"too many pods":                   {refusedByScheduler("0/3 nodes are available: 1 Too many pods, " + away + "."), "gated", never, never, ""},
		"a taint that passes":             {refusedByScheduler("0/3 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, " + away + "."), "", roomLasts, roomLasts, "not-ready"},
		"scheduler says something else":   {refusedByScheduler("running PreBind plugin: timed out"), "", roomLasts, roomLasts, "PreBind"},
		"waits at a gate":                 {corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "SchedulingGated"}}}, "gated", never, never, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for mayEnd, want := range map[bool]time.Duration{false: row.lasts, true: row.mayEnd} {
				pod := inStatus(row.policy, row.status)
				if len(row.status.Conditions) > 0 && row.status.Conditions[0].Type == corev1.PodScheduled {
					pod.Spec.NodeName = ""
				}
				found := obstacles(pod, mayEnd)
				if want == never {
					assert.Empty(t, found, "may end: %v", mayEnd)
					continue
				}
				require.NotEmpty(t, found, "may end: %v", mayEnd)
				assert.Equal(t, want, found[0].lasts)
				if row.says != "" {
					assert.ErrorContains(t, found[0].err, row.says)
				}
			}
		})
	}
}

// TestWithoutIDMap: a pod with a user namespace of its own, whose volumes the node's file systems cannot mount for it, does not
// apply there, which is known at once. Where it fails for another reason, or has no such namespace, it is waited for as ever.
func TestWithoutIDMap(t *testing.T) {
	const runc = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: " +
		"error during container init: failed to fulfil mount request: failed to set MOUNT_ATTR_IDMAP on /var/lib/kubelet/pods/d/volumes/kubernetes.io~projected/kube-api-access-m28mc: " +
		"invalid argument (maybe the filesystem used doesn't support idmap mounts on this kernel?)"
	failed := func(said string) corev1.ContainerStatus {
		c := crashed("StartError", 128)
		c.LastTerminationState.Terminated.Message = said
		return c
	}
	running := failed(runc)
	running.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	for name, row := range map[string]struct {
		status       corev1.ContainerStatus
		own          bool
		inapplicable bool
	}{
		"runc":                    {failed(runc), true, true},
		"crun":                    {failed("mount_setattr `/var/run/secrets`: Invalid argument"), true, true},
		"containerd, of the root": {waiting("CreateContainerError", "failed to create containerd container: snapshotter \"overlayfs\" doesn't support idmap mounts on this host, configure `slow_chown` to allow a slower and expensive fallback"), true, true},
		"without a namespace":     {failed(runc), false, false},
		"another reason":          {failed("exec: \"sh\": executable file not found in $PATH"), true, false},
		"it runs the second time": {running, true, false},
		"its own program said that": {func() corev1.ContainerStatus {
			c := failed(runc)
			c.LastTerminationState.Terminated.Reason = "Error"
			return c
		}(), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			pod := inStatus(corev1.RestartPolicyAlways, corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{row.status}})
			if row.own {
				pod.Spec.HostUsers = new(bool)
			}
			found := obstacles(pod, false)
			inapplicable := len(found) > 0 && suite.IsInapplicable(found[0].err)
			assert.Equal(t, row.inapplicable, inapplicable, "%v", found)
			if inapplicable {
				assert.Zero(t, found[0].lasts)
				assert.ErrorContains(t, found[0].err, "idmap mounts; of tmpfs, from Linux 6.3 on")
			}
		})
	}
}

// TestEndurance: an obstacle ends the wait when it has lasted; one that passed begins anew.
func TestEndurance(t *testing.T) {
	broken := errors.New("broken")
	slow := []obstacle{{of: "a", lasts: 10 * time.Second, err: broken}}
	asking := []obstacle{{of: "sandbox", lasts: 40 * time.Second, ask: true}}
	twice := append([]obstacle{{of: "user namespace", lasts: 5 * time.Second, ask: true}}, asking...)
	began := time.Now()
	at := func(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }
	for name, steps := range map[string][]struct {
		at    int
		found []obstacle
		err   error
		again time.Duration
		ask   bool
	}{
		"at once": {{0, []obstacle{{of: "a", err: broken}}, broken, 0, false}},
		"lasting": {{0, slow, nil, 10 * time.Second, false}, {4, slow, nil, 6 * time.Second, false}, {10, slow, broken, 0, false}},
		"passing": {{0, slow, nil, 10 * time.Second, false}, {9, nil, nil, 0, false}, {12, slow, nil, 10 * time.Second, false}},
		"another": {{0, slow, nil, 10 * time.Second, false}, {9, []obstacle{{of: "b", lasts: 10 * time.Second, err: broken}}, nil, 10 * time.Second, false}},
		"asking":  {{0, asking, nil, 40 * time.Second, false}, {40, asking, nil, 0, true}, {50, asking, nil, 0, false}},
		"twice":   {{0, twice, nil, 5 * time.Second, false}, {5, twice, nil, 35 * time.Second, true}, {9, twice, nil, 31 * time.Second, false}, {40, twice, nil, 0, true}},
	} {
		t.Run(name, func(t *testing.T) {
			var e endurance
			for _, step := range steps {
				again, ask, err := e.judge(step.found, at(step.at))
				assert.ErrorIs(t, err, step.err)
				assert.Equal(t, step.again, again, "after %d s", step.at)
				assert.Equal(t, step.ask, ask)
			}
		})
	}
}

// TestFailedSandbox: only kubelet's repeated failure says that there will be no sandbox.
func TestFailedSandbox(t *testing.T) {
	pod := inStatus("", corev1.PodStatus{Phase: corev1.PodPending})
	failed := func(count int) suite.Event {
		return suite.Event{Reason: "FailedCreatePodSandBox", Message: `no runtime for "x" is configured`, Count: count}
	}
	require.NoError(t, failedSandbox(nil, pod))
	require.NoError(t, failedSandbox([]suite.Event{{Reason: "Scheduled", Count: 9}, failed(1)}, pod))
	for _, events := range [][]suite.Event{{failed(3)}, {failed(1), failed(1), failed(1)}, {failed(0), failed(2)}} {
		require.ErrorContains(t, failedSandbox(events, pod), `kubelet failed 3 times to make its sandbox: no runtime for "x" is configured`)
	}
}

// usersRefused is what runtimes and kubelet say of user namespaces that they cannot make.
var usersRefused = map[string]string{
	"runsc":                 `Failed to create pod sandbox: rpc error: code = Unknown desc = failed to start sandbox "c2f0": failed to create containerd task: failed to create shim task: OCI runtime create failed: creating container: cannot create gofer process: gofer: error setting namespace of type user for container: invalid argument`,
	"runc without":          `Failed to create pod sandbox: rpc error: code = Unknown desc = failed to create containerd task: OCI runtime create failed: runc create failed: unable to start container process: can't get final child's PID from pipe: unshare user namespace: Operation not permitted`,
	"too many":              `Failed to create pod sandbox: failed to start user namespace: no space left on device`,
	"kubelet, of a class":   `Failed to create pod sandbox: RuntimeClass handler "gvisor" does not support user namespaces`,
	"a runtime, in general": `Failed to create pod sandbox: user namespaces are not supported by the runtime`,
}

// TestRefusedUserNamespace: of a pod with a user namespace of its own, one such refusal is
// enough; of any other pod, or in other words, it is a failure as any.
func TestRefusedUserNamespace(t *testing.T) {
	own := inStatus("", corev1.PodStatus{Phase: corev1.PodPending})
	own.Spec.HostUsers = new(bool)
	failed := func(said string) []suite.Event {
		return []suite.Event{{Reason: "FailedCreatePodSandBox", Message: said, Count: 1}}
	}
	for name, said := range usersRefused {
		t.Run(name, func(t *testing.T) {
			err := failedSandbox(failed(said), own)
			require.ErrorContains(t, err, "the runtime does not start a pod with a user namespace of its own (hostUsers: false), whatever the node's status says")
			require.ErrorContains(t, err, "kubelet failed once to make its sandbox: "+said)
			require.NoError(t, failedSandbox(failed(said), inStatus("", corev1.PodStatus{Phase: corev1.PodPending})))
		})
	}
	for _, said := range []string{"", "context deadline exceeded", `failed to pull image "user": invalid argument`, "failed to create network namespace: invalid argument"} {
		require.NoError(t, failedSandbox(failed(said), own), said)
	}
	waiting := podObstacles(withNode(own), false)
	require.Len(t, waiting, 1+len(usersLast))
	assert.Equal(t, usersLast[0], waiting[1].lasts)
}

func withNode(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Spec.NodeName = "worker"
	return pod
}

// TestAwaitEnds: a wait ends soon after kubelet says that the pod will not start, unless
// it may.
func TestAwaitEnds(t *testing.T) {
	never := func(*corev1.Pod) bool { return false }
	for name, row := range map[string]struct {
		container corev1.ContainerStatus
		mayEnd    bool
		took      time.Duration
		says      string
	}{
		"crash loop":         {crashed("Error", 3), false, 0, "pod p will not be Ready: container shell ends again and again"},
		"a crash is meant":   {crashed("Error", 3), true, 5 * time.Minute, "pod p is not Ready: not in time"},
		"configuration":      {waiting("CreateContainerConfigError", "no such user"), false, configErrorLasts, "pod p will not be Ready: pod p on node"},
		"sandbox, no events": {waiting("ContainerCreating", ""), false, 5 * time.Minute, "pod p is not Ready: not in time"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pod := inStatus("", corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{row.container}})
				store := cache.NewStore(cache.MetaNamespaceKeyFunc)
				require.NoError(t, store.Add(pod))
				s := &Session{Client: fake.NewClientset(pod), Namespace: "ns", store: store, changed: make(chan struct{})}
				ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Minute, errors.New("not in time"))
				defer cancel()
				began := time.Now()
				_, err := s.Await(ctx, "p", "Ready", row.mayEnd, never)
				require.ErrorContains(t, err, row.says)
				assert.Equal(t, row.took, time.Since(began))
			})
		})
	}
}

// pulling are a pod's events, as kubelet writes them of its container shell.
func pulling(reasons ...string) []suite.Event {
	var all []suite.Event
	for _, reason := range reasons {
		e := suite.Event{Reason: reason, Container: "spec.containers{shell}", Message: reason + " image"}
		if reason == "Failed" {
			e.Message = "Failed to pull image: timeout"
		}
		all = append(all, e)
	}
	return all
}

// TestPullUnderWay: only a pull that began and did not end is what a pod still waits for.
func TestPullUnderWay(t *testing.T) {
	over := errors.New("not within 5m")
	creating := waiting("ContainerCreating", "")
	creating.Image = "docker.io/library/busybox:1"
	running := corev1.ContainerStatus{Name: "shell", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	other := pulling("Pulling")
	other[0].Container = "spec.containers{nginx-shell}"
	twice := pulling("Pulling", "Failed")
	twice[0].Count = 2
	for name, row := range map[string]struct {
		events    []suite.Event
		container corev1.ContainerStatus
		stalls    bool
	}{
		"begun":               {pulling("Scheduled", "Pulling"), creating, true},
		"begun again":         {twice, creating, true},
		"pulled":              {pulling("Pulling", "Pulled"), creating, false},
		"failed":              {pulling("Pulling", "Failed"), creating, false},
		"not begun":           {pulling("Scheduled"), creating, false},
		"present":             {pulling("Pulled"), creating, false},
		"another container's": {other, creating, false},
		"running":             {pulling("Pulling"), running, false},
	} {
		err := pullUnderWay(row.events, inStatus("", corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{row.container}}), over)
		if !row.stalls {
			require.NoError(t, err, name)
			continue
		}
		var image *suite.ImageError
		require.ErrorAs(t, err, &image, name)
		assert.Equal(t, creating.Image, image.Image, name)
		assert.False(t, image.Final, name)
		assert.ErrorContains(t, err, "its pull has not ended (not within 5m): pod p on node", name)
	}
}

// TestStalledPull: a pod whose time is over because of its image says so; one that nobody wants
// to wait for any more is not asked about.
func TestStalledPull(t *testing.T) {
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: "ns"}, Reason: "Pulling", Message: "Pulling image",
		InvolvedObject: corev1.ObjectReference{Name: "p", FieldPath: "spec.containers{shell}"},
	}
	for name, row := range map[string]struct {
		container   corev1.ContainerStatus
		interrupted error
		says        string
	}{
		"time is over":         {waiting("ContainerCreating", ""), nil, "its pull has not ended (not in time)"},
		"its last pull failed": {waiting("ErrImagePull", "no progress"), nil, "ErrImagePull: no progress"},
		"interrupted":          {waiting("ContainerCreating", ""), errors.New("somebody left"), ""},
		"time began late":      {waiting("ContainerCreating", ""), errors.Join(errors.New("not within 5m"), context.DeadlineExceeded), "its pull has not ended (not within 5m"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pod := inStatus("", corev1.PodStatus{
					Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{row.container},
					Conditions: []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue}},
				})
				store := cache.NewStore(cache.MetaNamespaceKeyFunc)
				require.NoError(t, store.Add(pod))
				s := &Session{Client: fake.NewClientset(pod, event), Namespace: "ns", store: store, changed: make(chan struct{})}
				parent, interrupt := context.WithCancelCause(t.Context())
				defer interrupt(nil)
				ctx, cancel := context.WithTimeoutCause(parent, pullErrorLasts/2, errors.New("not in time"))
				defer cancel()
				if row.interrupted != nil {
					interrupt(row.interrupted)
				}
				_, err := s.Await(ctx, "p", "Ready", false, func(*corev1.Pod) bool { return false })
				assert.Equal(t, row.says != "", errors.As(err, new(*suite.ImageError)), "%v", err)
				assert.ErrorContains(t, err, row.says)
			})
		})
	}
}

func TestDescribe(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Spec: corev1.PodSpec{NodeName: "node-a"},
		Status: corev1.PodStatus{
			Phase:      corev1.PodPending,
			Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes"}},
			ContainerStatuses: []corev1.ContainerStatus{
				waiting("CrashLoopBackOff", "back-off"),
				{Name: "ended", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}}},
				{Name: "slow", RestartCount: 3, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
				{Name: "fine", Ready: true},
			},
			EphemeralContainerStatuses: []corev1.ContainerStatus{
				{Name: "looking", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
				{Name: "late", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerError", Message: "no target"}}},
			},
		},
	}
	assert.Equal(t, `pod nginx on node "node-a": Pending; Unschedulable: 0/3 nodes; container shell: CrashLoopBackOff: back-off; `+
		`container ended: terminated with exit code 137 (OOMKilled); container slow: running, not ready, 3 restarts; `+
		`container late: CreateContainerError: no target`, Describe(pod))
}

// TestBroken: only what kubelet has already tried again says that a pod does not stay up.
func TestBroken(t *testing.T) {
	for name, row := range map[string]struct {
		container corev1.ContainerStatus
		says      string
	}{
		"runs":       {corev1.ContainerStatus{Name: "shell", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}, ""},
		"ended once": {corev1.ContainerStatus{Name: "shell", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}}, ""},
		"crash loop": {crashed("Error", 3), "pod p does not stay up: container shell ends again and again"},
		"a moment's": {waiting("RunContainerError", "busy"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			store := cache.NewStore(cache.MetaNamespaceKeyFunc)
			require.NoError(t, store.Add(inStatus(corev1.RestartPolicyAlways, corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{row.container}})))
			err := (&Session{Namespace: "ns", store: store}).Broken("p")
			if row.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, row.says)
		})
	}
}
