package difference

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const sent = `
metadata:
  labels: {procns.run: r1}
spec:
  shareProcessNamespace: true
  initContainers:
  - {name: setup, image: busybox, command: ["true"]}
  containers:
  - {name: nginx, image: nginx}
  - name: shell
    image: docker.io/library/busybox:1.36
    command: ["sh"]
    args: ["-c"]
    env: [{name: PASSWORD, value: a}, {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
    stdin: true
    securityContext: {capabilities: {add: [SYS_PTRACE], drop: [FSETID]}, runAsUser: 1000}
    livenessProbe: {exec: {command: ["true"]}}
    resources: {limits: {memory: 64Mi}}
    volumeMounts: [{name: data, mountPath: /data}]
  volumes:
  - {name: data, emptyDir: {}}
  - {name: token, projected: {sources: [{serviceAccountToken: {path: token}}]}}
`

// defaulted is how API server v1.37 stored it, with what the ServiceAccount admission,
// DefaultTolerationSeconds, Priority and the scheduler add.
const defaulted = `
metadata:
  name: pod
  uid: 1-2
  labels: {procns.run: r1}
spec:
  shareProcessNamespace: true
  restartPolicy: Always
  terminationGracePeriodSeconds: 30
  dnsPolicy: ClusterFirst
  serviceAccountName: default
  serviceAccount: default
  securityContext: {}
  schedulerName: default-scheduler
  priority: 0
  enableServiceLinks: true
  preemptionPolicy: PreemptLowerPriority
  nodeName: worker
  tolerations:
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
  - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
  initContainers:
  - name: setup
    image: busybox
    command: ["true"]
    resources: {}
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: File
    imagePullPolicy: Always
    volumeMounts: [{name: kube-api-access-x7, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}]
  containers:
  - name: nginx
    image: nginx
    resources: {}
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: File
    imagePullPolicy: Always
    volumeMounts: [{name: kube-api-access-x7, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}]
  - name: shell
    image: docker.io/library/busybox:1.36
    command: ["sh"]
    args: ["-c"]
    env: [{name: PASSWORD, value: a}, {name: NAME, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}]
    stdin: true
    securityContext: {capabilities: {add: [SYS_PTRACE], drop: [FSETID]}, runAsUser: 1000}
    livenessProbe: {exec: {command: ["true"]}, timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3}
    resources: {limits: {memory: 64Mi}, requests: {memory: 64Mi}}
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: File
    imagePullPolicy: IfNotPresent
    volumeMounts:
    - {name: data, mountPath: /data}
    - {name: kube-api-access-x7, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  volumes:
  - {name: data, emptyDir: {}}
  - {name: token, projected: {defaultMode: 420, sources: [{serviceAccountToken: {path: token, expirationSeconds: 3600}}]}}
  - name: kube-api-access-x7
    projected: {defaultMode: 420, sources: [{serviceAccountToken: {path: token, expirationSeconds: 3607}}]}
`

func pod(t *testing.T, text string) *corev1.Pod {
	t.Helper()
	var p corev1.Pod
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &p))
	return &p
}

// TestPods changes what admission might, one thing at a time: what is found, and of
// which class.
func TestPods(t *testing.T) {
	yes, no, nobody := true, false, int64(1000)
	class := "other"
	shell := func(p *corev1.Pod) *corev1.Container { return &p.Spec.Containers[1] }
	for name, row := range map[string]struct {
		change func(*corev1.Pod)
		want   []string // path, class, what
	}{
		"nothing":                {func(*corev1.Pod) {}, nil},
		"field to false":         {func(p *corev1.Pod) { p.Spec.ShareProcessNamespace = &no }, []string{"spec.shareProcessNamespace", string(Field), "changes spec.shareProcessNamespace from true to false"}},
		"field dropped":          {func(p *corev1.Pod) { p.Spec.ShareProcessNamespace = nil }, []string{"spec.shareProcessNamespace", string(Field), "removes spec.shareProcessNamespace, sent as true"}},
		"host PID":               {func(p *corev1.Pod) { p.Spec.HostPID = true }, []string{"spec.hostPID", string(HostNamespaces), "sets spec.hostPID to true"}},
		"host network":           {func(p *corev1.Pod) { p.Spec.HostNetwork = true }, []string{"spec.hostNetwork", string(HostNamespaces), "sets spec.hostNetwork to true"}},
		"runtime class":          {func(p *corev1.Pod) { p.Spec.RuntimeClassName = &class }, []string{"spec.runtimeClassName", string(RuntimeClass), `sets spec.runtimeClassName to "other"`}},
		"user namespace":         {func(p *corev1.Pod) { p.Spec.HostUsers = &no }, []string{"spec.hostUsers", string(UserNamespace), "sets spec.hostUsers to false"}},
		"host users, as without": {func(p *corev1.Pod) { p.Spec.HostUsers = &yes }, nil},
		"pod's user":             {func(p *corev1.Pod) { p.Spec.SecurityContext.RunAsUser = &nobody }, []string{"spec.securityContext.runAsUser", string(Users), "sets spec.securityContext.runAsUser to 1000"}},
		"not as root":            {func(p *corev1.Pod) { p.Spec.SecurityContext.RunAsNonRoot = &yes }, []string{"spec.securityContext.runAsNonRoot", string(Users), "sets spec.securityContext.runAsNonRoot to true"}},
		"container's user lost":  {func(p *corev1.Pod) { shell(p).SecurityContext.RunAsUser = nil }, []string{"spec.containers[shell].securityContext.runAsUser", string(Users), "removes spec.containers[*].securityContext.runAsUser, sent as 1000"}},
		"groups":                 {func(p *corev1.Pod) { p.Spec.SecurityContext.SupplementalGroups = []int64{7} }, []string{"spec.securityContext.supplementalGroups[7]", string(Users), "sets spec.securityContext.supplementalGroups[7] to 7"}},
		"seccomp": {func(p *corev1.Pod) {
			p.Spec.SecurityContext.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
		}, []string{"spec.securityContext.seccompProfile.type", string(SeccompDefault), `sets spec.securityContext.seccompProfile.type to "RuntimeDefault"`}},
		"seccomp off": {func(p *corev1.Pod) {
			p.Spec.SecurityContext.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
		}, []string{"spec.securityContext.seccompProfile.type", string(Seccomp), `sets spec.securityContext.seccompProfile.type to "Unconfined"`}},
		"AppArmor": {func(p *corev1.Pod) {
			p.Annotations = map[string]string{"container.apparmor.security.beta.kubernetes.io/shell": "localhost/x"}
		}, []string{"metadata.annotations[container.apparmor.security.beta.kubernetes.io/shell]", string(AppArmor), `sets metadata.annotations[container.apparmor.security.beta.kubernetes.io/shell] to "localhost/x"`}},
		"SELinux level": {func(p *corev1.Pod) { p.Spec.SecurityContext.SELinuxOptions = &corev1.SELinuxOptions{Level: "s0:c1"} },
			[]string{"spec.securityContext.seLinuxOptions.level", string(SELinuxLevel), `sets spec.securityContext.seLinuxOptions.level to "s0:c1"`}},
		"SELinux type": {func(p *corev1.Pod) { p.Spec.SecurityContext.SELinuxOptions = &corev1.SELinuxOptions{Type: "spc_t"} },
			[]string{"spec.securityContext.seLinuxOptions.type", string(SELinux), `sets spec.securityContext.seLinuxOptions.type to "spc_t"`}},
		"sidecar": {func(p *corev1.Pod) { p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "proxy"}) }, []string{"spec.containers[proxy]", string(ContainerAdded), "adds container proxy"}},
		"sidecar first": {func(p *corev1.Pod) {
			p.Spec.Containers = append([]corev1.Container{{Name: "proxy"}}, p.Spec.Containers...)
		}, []string{"spec.containers[proxy]", string(ContainerAdded), "adds container proxy"}},
		"init container": {func(p *corev1.Pod) {
			p.Spec.InitContainers = append(p.Spec.InitContainers, corev1.Container{Name: "istio-init"})
		}, []string{"spec.initContainers[istio-init]", string(InitContainerAdded), "adds init container istio-init"}},
		"native sidecar": {func(p *corev1.Pod) {
			always := corev1.ContainerRestartPolicyAlways
			p.Spec.InitContainers = append(p.Spec.InitContainers, corev1.Container{Name: "proxy", RestartPolicy: &always})
		}, []string{"spec.initContainers[proxy]", string(ContainerAdded), "adds container proxy"}},
		"container removed": {func(p *corev1.Pod) { p.Spec.Containers = p.Spec.Containers[1:] }, []string{"spec.containers[nginx]", string(ContainerRemoved), "removes container nginx"}},
		"mirror":            {func(p *corev1.Pod) { p.Spec.Containers[0].Image = "mirror.example:5000/lib/nginx" }, []string{"spec.containers[nginx].image", string(SameImage), "takes images by digest or from a mirror"}},
		"digest":            {func(p *corev1.Pod) { shell(p).Image = "busybox@sha256:1" }, []string{"spec.containers[shell].image", string(SameImage), "takes images by digest or from a mirror"}},
		"other tag":         {func(p *corev1.Pod) { shell(p).Image = "busybox:1.28" }, []string{"spec.containers[shell].image", string(OtherImage), `changes spec.containers[*].image from "docker.io/library/busybox:1.36" to "busybox:1.28"`}},
		"pull policy":       {func(p *corev1.Pod) { shell(p).ImagePullPolicy = corev1.PullAlways }, []string{"spec.containers[shell].imagePullPolicy", string(PullPolicy), `sets spec.containers[*].imagePullPolicy to "Always"`}},
		"command":           {func(p *corev1.Pod) { shell(p).Command = []string{"tini", "sh"} }, []string{"spec.containers[shell].command", string(Command), `changes spec.containers[*].command from ["sh"] to ["tini","sh"]`}},
		"args":              {func(p *corev1.Pod) { shell(p).Args = nil }, []string{"spec.containers[shell].args", string(Args), `removes spec.containers[*].args, sent as ["-c"]`}},
		"new variable": {func(p *corev1.Pod) {
			shell(p).Env = append(shell(p).Env, corev1.EnvVar{Name: "HTTP_PROXY", Value: "x"})
		}, []string{"spec.containers[shell].env[HTTP_PROXY]", string(EnvironmentAdded), "adds environment variable HTTP_PROXY"}},
		"preload": {func(p *corev1.Pod) {
			shell(p).Env = append(shell(p).Env, corev1.EnvVar{Name: "LD_PRELOAD", Value: "x"})
		}, []string{"spec.containers[shell].env[LD_PRELOAD]", string(Environment), `sets spec.containers[*].env[LD_PRELOAD] to {"name":"LD_PRELOAD"}`}},
		"own variable":      {func(p *corev1.Pod) { shell(p).Env[0].Value = "b" }, []string{"spec.containers[shell].env[PASSWORD].value", string(Environment), `changes spec.containers[*].env[PASSWORD].value from "a" to "(not kept)"`}},
		"ptrace taken away": {func(p *corev1.Pod) { shell(p).SecurityContext.Capabilities.Add = nil }, []string{"spec.containers[shell].securityContext.capabilities.add[SYS_PTRACE]", string(CapabilitiesAsked), "takes away capability SYS_PTRACE, which the pod asks for"}},
		"spelled otherwise": {func(p *corev1.Pod) { shell(p).SecurityContext.Capabilities.Add[0] = "CAP_SYS_PTRACE" }, nil},
		"drop": {func(p *corev1.Pod) {
			p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"MKNOD"}}}
		}, []string{"spec.containers[nginx].securityContext.capabilities.drop[MKNOD]", string(CapabilitiesDropped), "drops capability MKNOD"}},
		"drop taken back": {func(p *corev1.Pod) { shell(p).SecurityContext.Capabilities.Drop = nil }, []string{"spec.containers[shell].securityContext.capabilities.drop[FSETID]", string(CapabilitiesAsked), "no longer drops capability FSETID"}},
		"privileged":      {func(p *corev1.Pod) { shell(p).SecurityContext.Privileged = &yes }, []string{"spec.containers[shell].securityContext.privileged", string(Privileges), "sets spec.containers[*].securityContext.privileged to true"}},
		"no escalation":   {func(p *corev1.Pod) { shell(p).SecurityContext.AllowPrivilegeEscalation = &no }, []string{"spec.containers[shell].securityContext.allowPrivilegeEscalation", string(PrivilegeEscalation), "sets spec.containers[*].securityContext.allowPrivilegeEscalation to false"}},
		"read-only":       {func(p *corev1.Pod) { shell(p).SecurityContext.ReadOnlyRootFilesystem = &yes }, []string{"spec.containers[shell].securityContext.readOnlyRootFilesystem", string(ReadOnlyRoot), "sets spec.containers[*].securityContext.readOnlyRootFilesystem to true"}},
		"terminal":        {func(p *corev1.Pod) { shell(p).TTY = true }, []string{"spec.containers[shell].tty", string(Terminal), "sets spec.containers[*].tty to true"}},
		"restart policy":  {func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }, []string{"spec.restartPolicy", string(RestartPolicy), `sets spec.restartPolicy to "Never"`}},
		"grace period":    {func(p *corev1.Pod) { *p.Spec.TerminationGracePeriodSeconds = 600 }, []string{"spec.terminationGracePeriodSeconds", string(GracePeriod), "sets spec.terminationGracePeriodSeconds to 600"}},
		"hook": {func(p *corev1.Pod) {
			shell(p).Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sleep"}}}}
		}, []string{"spec.containers[shell].lifecycle.postStart.exec.command", string(Hooks), `sets spec.containers[*].lifecycle.postStart.exec.command to ["sleep"]`}},
		"probe":  {func(p *corev1.Pod) { shell(p).LivenessProbe.TimeoutSeconds = 9 }, []string{"spec.containers[shell].livenessProbe.timeoutSeconds", string(Probes), "sets spec.containers[*].livenessProbe.timeoutSeconds to 9"}},
		"volume": {func(p *corev1.Pod) { p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "ca"}) }, []string{"spec.volumes[ca]", string(VolumesAdded), "adds volume ca"}},
		"mount": {func(p *corev1.Pod) {
			shell(p).VolumeMounts = append(shell(p).VolumeMounts, corev1.VolumeMount{Name: "ca", MountPath: "/ca"})
		}, []string{"spec.containers[shell].volumeMounts[/ca]", string(VolumesAdded), "mounts a volume at /ca"}},
		"mount taken away": {func(p *corev1.Pod) { shell(p).VolumeMounts = nil }, []string{"spec.containers[shell].volumeMounts[/data]", string(Volumes), `removes spec.containers[*].volumeMounts[/data], sent as {"mountPath":"/data","name":"data"}`}},
		"limits": {func(p *corev1.Pod) {
			shell(p).Resources.Limits["memory"] = *p.Spec.Containers[1].Resources.Limits.Memory()
			delete(shell(p).Resources.Requests, "memory")
		}, nil},
		"label":           {func(p *corev1.Pod) { p.Labels["team"] = "a" }, []string{"metadata.labels[team]", string(Labels), `sets metadata.labels[team] to "a"`}},
		"annotation":      {func(p *corev1.Pod) { p.Annotations = map[string]string{"a.b/c": "d"} }, []string{"metadata.annotations[a.b/c]", string(Annotations), `sets metadata.annotations[a.b/c] to "d"`}},
		"finalizer":       {func(p *corev1.Pod) { p.Finalizers = []string{"a.b/c"} }, []string{"metadata.finalizers[a.b/c]", string(Finalizers), `sets metadata.finalizers[a.b/c] to "a.b/c"`}},
		"toleration":      {func(p *corev1.Pod) { p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: "a"}) }, []string{`spec.tolerations[{"key":"a"}]`, string(Tolerations), `sets spec.tolerations[{"key":"a"}] to {"key":"a"}`}},
		"service account": {func(p *corev1.Pod) { p.Spec.ServiceAccountName = "x" }, []string{"spec.serviceAccountName", string(ServiceAccount), `sets spec.serviceAccountName to "x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			stored := pod(t, defaulted)
			row.change(stored)
			var got []string
			for _, d := range Pods(pod(t, sent), stored, Options{}) {
				got = append(got, d.Path, string(d.Class), d.What())
			}
			assert.Equal(t, row.want, got)
		})
	}
}

// TestWorkloadsPods: what controllers add to the pods that they make.
func TestWorkloadsPods(t *testing.T) {
	yes := true
	stored := pod(t, defaulted)
	stored.Labels["pod-template-hash"] = "1"
	stored.Labels["batch.kubernetes.io/job-name"] = "1"
	stored.Finalizers = []string{"batch.kubernetes.io/job-tracking"}
	stored.OwnerReferences = append(stored.OwnerReferences, owner("StatefulSet", &yes))
	stored.Spec.Hostname, stored.Spec.Subdomain = "a", "b"
	assert.Empty(t, Pods(pod(t, sent), stored, Options{}))
	stored.OwnerReferences = nil
	assert.Len(t, Pods(pod(t, sent), stored, Options{}), 2, "nobody else gives a host name")
}

// TestAppArmorTwice: some servers say the profile as an annotation as well.
func TestAppArmorTwice(t *testing.T) {
	unconfined := &corev1.SecurityContext{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}}
	with, stored := pod(t, sent), pod(t, defaulted)
	with.Spec.Containers[0].SecurityContext, stored.Spec.Containers[0].SecurityContext = unconfined, unconfined
	stored.Annotations = map[string]string{appArmorAnnotation + "nginx": "unconfined"}
	assert.Empty(t, Pods(with, stored, Options{}))
	stored.Annotations[appArmorAnnotation+"shell"] = "unconfined"
	assert.Len(t, Pods(with, stored, Options{}), 1, "which nobody asked for")
}

// TestEphemeral: they are added when the pod runs.
func TestEphemeral(t *testing.T) {
	with := pod(t, sent)
	with.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "late", Image: "busybox"}, TargetContainerName: "shell"}}
	stored := pod(t, defaulted)
	assert.Empty(t, Pods(with, stored, Options{Before: true}))
	found := Pods(with, stored, Options{})
	require.Len(t, found, 1)
	assert.Equal(t, EphemeralContainers, found[0].Class)
	stored.Spec.EphemeralContainers = with.DeepCopy().Spec.EphemeralContainers
	assert.Empty(t, Pods(with, stored, Options{}))
	stored.Spec.EphemeralContainers[0].TargetContainerName = ""
	found = Pods(with, stored, Options{})
	require.Len(t, found, 1)
	assert.Equal(t, "spec.ephemeralContainers[late].targetContainerName", found[0].Path)
	assert.Equal(t, EphemeralContainers, found[0].Class)
}

// TestUnknownIsDecisive: every class that is not listed as harmless is decisive, and
// what no table names is of the class Unknown.
func TestUnknownIsDecisive(t *testing.T) {
	at := path{{name: "spec"}, {name: "somethingNew"}}
	assert.Equal(t, Unknown, classify(at, nil, true))
	assert.False(t, Unknown.Harmless())
	for class := range harmless {
		assert.Contains(t, Classes, class)
	}
	for _, class := range ofPath {
		assert.Contains(t, Classes, class)
	}
}

func TestSameImage(t *testing.T) {
	for _, row := range []struct {
		a, b string
		same bool
	}{
		{"nginx", "docker.io/library/nginx", true},
		{"nginx", "nginx:latest", true},
		{"nginx:1.27", "mirror:5000/nginx:1.27@sha256:1", true},
		{"nginx:1.27", "mirror:5000/nginx@sha256:1", true},
		{"nginx:1.27", "nginx:1.28", false},
		{"nginx@sha256:1", "mirror/proxy/nginx@sha256:1", true},
		{"nginx@sha256:1", "nginx@sha256:2", false},
		{"nginx", "busybox", false},
	} {
		assert.Equal(t, row.same, sameImage(row.a, row.b), "%s and %s", row.a, row.b)
	}
}
