// Package incluster prints the manifests by which the suite runs in the cluster that it
// judges: as a Job, or as a plugin of Sonobuoy's. It is pure.
package incluster

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"procns/e2e/internal/preflight"
	"procns/e2e/internal/sonobuoy"
)

// Manifest is what the printed manifests are made of.
type Manifest struct {
	// Image is the suite's own.
	Image string
	// Arguments are those of the run, in one word each.
	Arguments []string
	Needs     preflight.Needs
	// Timeout is how long the run may take, CleanUp how long it may clean up after that or
	// after a signal, and Linger how long the Job waits to be fetched; 0: it does not.
	Timeout, CleanUp, Linger time.Duration
	// Claim is the PersistentVolumeClaim that keeps the Job's reports; empty: none does.
	Claim string
}

// Image is the suite's image where nobody names another: as make image names it.
func Image(version string) string { return "localhost/procns/procns:" + version }

const (
	// user owns nothing anywhere, and is the image's.
	user = 65532
	// results is where the Job's reports are.
	results = "/results"
	// toStart is what a pod may need until it runs: to be scheduled, and to have its image pulled.
	toStart = 10 * time.Minute
	// toReport is what writing the reports may take after the clean-up.
	toReport = time.Minute
)

// grace is how long kubelet waits for the container to end: longer than the clean-up.
func (m Manifest) grace() time.Duration { return m.CleanUp + toReport }

// WriteJob prints the namespace, the permissions and the Job.
func WriteJob(w io.Writer, m Manifest) error {
	if err := preflight.WriteRBAC(w, m.Needs); err != nil {
		return err
	}
	arguments, fetched := []string{"-in-cluster"}, "The reports are kept in the claim "+m.Claim+"."
	if m.Linger > 0 {
		arguments = append(arguments, "-linger="+m.Linger.String())
		fetched = "Its reports wait in the pod: kubectl -n " + preflight.Namespace + " exec job/procns -- procns -archive - >results.tar.gz"
	}
	arguments = append(arguments, m.Arguments...)
	volume := "emptyDir: {}"
	if m.Claim != "" {
		volume = "persistentVolumeClaim: {claimName: " + m.Claim + "}"
	}
	return write(w, `---
# The run, once: a verdict is no reason to try again. It has longer to end than it needs to clean up.
# %[10]s
apiVersion: batch/v1
kind: Job
metadata:
  name: procns
  namespace: %[1]s
  labels: {app.kubernetes.io/name: procns}
spec:
  backoffLimit: 0
  activeDeadlineSeconds: %[2]d
  template:
    metadata:
      labels: {app.kubernetes.io/name: procns}
      annotations: {cluster-autoscaler.kubernetes.io/safe-to-evict: "false"}
    spec:
      serviceAccountName: %[1]s
      restartPolicy: Never
      terminationGracePeriodSeconds: %[3]d
      nodeSelector: {kubernetes.io/os: linux}
      securityContext:
%[4]s
      containers:
      - name: procns
        image: %[5]s
        imagePullPolicy: IfNotPresent
        args:
%[6]s
        env:
        - {name: ARTIFACTS, value: %[7]s}
        securityContext:
%[8]s
        resources:
          requests: {cpu: 100m, memory: 256Mi}
        volumeMounts:
        - {name: results, mountPath: %[7]s}
      volumes:
      - name: results
        %[9]s
`, preflight.Namespace, seconds(toStart+m.Timeout+m.CleanUp+toReport+m.Linger), seconds(m.grace()),
		indented(8, podSecurity()), quoted(m.Image), list(8, arguments), results, indented(10, containerSecurity()), volume, fetched)
}

// WriteSonobuoyPlugin prints a plugin for Sonobuoy. A Job is what it runs as: procns covers
// the nodes itself, and a DaemonSet's pods would each be one more result to wait for.
//
// podSpec replaces Sonobuoy's own, so that its ServiceAccount has to be named.
//
// Source: pkg/plugin/manifest/manifest.go of Sonobuoy v0.57.
func WriteSonobuoyPlugin(w io.Writer, m Manifest) error {
	arguments := " []"
	if len(m.Arguments) > 0 {
		arguments = "\n" + list(2, m.Arguments)
	}
	return write(w, `# A plugin for Sonobuoy: sonobuoy run --plugin procns.yaml --wait --timeout %[1]d
# Its results have a status that Sonobuoy does not know, "inconclusive", which is no pass.
sonobuoy-config:
  driver: Job
  plugin-name: procns
  description: "Do pods with shareProcessNamespace: true behave as Kubernetes documents?"
  result-format: manual
  result-files: [%[2]s]
podSpec:
  serviceAccountName: sonobuoy-serviceaccount
  restartPolicy: Never
  terminationGracePeriodSeconds: %[3]d
  nodeSelector: {kubernetes.io/os: linux}
spec:
  name: plugin
  image: %[4]s
  args:%[5]s
  securityContext:
%[6]s
  resources:
    requests: {cpu: 100m, memory: 256Mi}
  volumeMounts:
  - {name: results, mountPath: /tmp/sonobuoy/results}
`, seconds(toStart+m.Timeout+m.CleanUp+toReport), sonobuoy.ResultsFile, seconds(m.grace()), quoted(m.Image), arguments,
		indented(4, append(podSecurity(), containerSecurity()...)))
}

// podSecurity and containerSecurity are what Pod Security "restricted" asks for, and more.
func podSecurity() []string {
	return []string{
		"runAsNonRoot: true", fmt.Sprintf("runAsUser: %d", user), fmt.Sprintf("runAsGroup: %d", user),
		"seccompProfile: {type: RuntimeDefault}",
	}
}

func containerSecurity() []string {
	return []string{"allowPrivilegeEscalation: false", "readOnlyRootFilesystem: true", "capabilities: {drop: [ALL]}"}
}

func write(w io.Writer, format string, args ...any) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, format, args...)
	return out.Flush()
}

func seconds(d time.Duration) int { return int(d.Round(time.Second) / time.Second) }

func indented(by int, lines []string) string {
	before := strings.Repeat(" ", by)
	return before + strings.Join(lines, "\n"+before)
}

func list(indent int, words []string) string {
	var lines []string
	for _, word := range words {
		lines = append(lines, "- "+quoted(word))
	}
	return indented(indent, lines)
}

// quoted is a text in YAML, whose double quotes know all that Go's write.
func quoted(text string) string { return strconv.Quote(text) }
