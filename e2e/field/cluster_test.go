//go:build field

package field

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"procns/e2e/internal/suite"
)

// place is the cluster.
type place struct {
	config *rest.Config
	client kubernetes.Interface
	// plain is what the API server makes of the probes where no input is in force.
	plain string
}

func connect(kubeconfig string) (*place, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	return &place{config: config, client: client}, err
}

// apply makes an input's objects, and waits until the API server goes by them. What it returns undoes
// all that was made, also when there is an error, and waits until the API server goes by none of it:
// it hears of both by watching, so that an input would else be taken for the one after it.
func (p *place) apply(ctx context.Context, in Input) (undo func(context.Context) error, err error) {
	var made []object
	var stop func()
	undo = func(ctx context.Context) error {
		var failed error
		for _, o := range slices.Backward(made) {
			failed = errors.Join(failed, p.delete(ctx, o))
		}
		if stop != nil {
			stop()
		}
		return errors.Join(failed, p.none(ctx), p.goesBy(ctx, false))
	}
	objects, err := in.objects()
	if err != nil {
		return undo, err
	}
	if in.Refusal != nil {
		var hook object
		if hook, stop, err = p.webhook(*in.Refusal); err != nil {
			return undo, err
		}
		objects = append(objects, hook)
	}
	admits := false
	for _, o := range objects {
		made = append(made, o)
		if err := p.create(ctx, o); err != nil {
			return undo, err
		}
		admits = admits || o.GroupVersionKind().Group == "admissionregistration.k8s.io"
	}
	if admits {
		return undo, p.goesBy(ctx, true)
	}
	return undo, nil
}

// goesBy waits until the API server goes by the input, or by none.
func (p *place) goesBy(ctx context.Context, input bool) error {
	what := "the API server goes by the input"
	if !input {
		what = "the API server goes by no input"
	}
	return p.until(ctx, what, func() (bool, error) {
		now, err := p.admitted(ctx)
		return (now != p.plain) == input, err
	})
}

// settle takes what the API server makes of the probes for what it makes where no input is in force,
// once it admits them.
func (p *place) settle(ctx context.Context) error {
	left := []object{named("ValidatingWebhookConfiguration", webhookName)} // by an earlier test, perhaps
	for _, in := range Inputs() {
		objects, err := in.objects()
		if err != nil {
			return err
		}
		left = append(left, objects...)
	}
	for _, o := range left {
		if err := p.delete(ctx, o); err != nil {
			return err
		}
	}
	if err := p.prepare(ctx); err != nil {
		return err
	}
	var before string
	return p.until(ctx, "the probes are admitted, twice in the same way", func() (bool, error) {
		now, err := p.admitted(ctx)
		if err != nil || strings.Contains(now, refusedMark) || now != before {
			before = now
			return false, err
		}
		p.plain = now
		return true, nil
	})
}

// object is one that a manifest holds.
type object struct{ unstructured.Unstructured }

// objects are those of an input's manifest.
func (in Input) objects() ([]object, error) {
	if in.Objects == "" {
		return nil, nil
	}
	file := filepath.Join("testdata", in.Objects+".yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []object
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		var o object
		switch err := decoder.Decode(&o.Object); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
}

// plurals are the kinds that inputs have. All their objects are the cluster's own.
var plurals = map[string]string{
	"APIService": "apiservices", "RuntimeClass": "runtimeclasses", "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
	"ValidatingAdmissionPolicy": "validatingadmissionpolicies", "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
	"MutatingAdmissionPolicy": "mutatingadmissionpolicies", "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
}

// named is an object of admission without content.
func named(kind, name string) object {
	var o object
	o.Object = map[string]any{}
	o.SetAPIVersion("admissionregistration.k8s.io/v1")
	o.SetKind(kind)
	o.SetName(name)
	return o
}

// path is where the cluster's objects of its kind are.
func (o object) path() string { return "/apis/" + o.GetAPIVersion() + "/" + plurals[o.GetKind()] }

func (p *place) create(ctx context.Context, o object) error {
	body, err := json.Marshal(o.Object)
	if err != nil {
		return err
	}
	return p.client.CoreV1().RESTClient().Post().AbsPath(o.path()).SetHeader("Content-Type", "application/json").Body(body).Do(ctx).Error()
}

func (p *place) delete(ctx context.Context, o object) error {
	err := p.client.CoreV1().RESTClient().Delete().AbsPath(o.path() + "/" + o.GetName()).Do(ctx).Error()
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// probeNamespace looks like a run's.
const probeNamespace = "procns-field-probe"

// refusedMark is before what the API server says of a probe that it refuses.
const refusedMark = "refused: "

// probePod is a pod that asks for little.
func probePod(name string) *corev1.Pod {
	no := false
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{
		AutomountServiceAccountToken: &no,
		Containers:                   []corev1.Container{{Name: "one", Image: "none.invalid/none", Command: []string{"sleep", "1"}}},
	}}
}

// gated is the name of the one probe that is there: it waits for a gate that nobody opens.
const gated = "gated"

// prepare makes the probes' namespace and the pod that is there.
func (p *place) prepare(ctx context.Context) error {
	labels := map[string]string{suite.RunLabel: "field-probe", "pod-security.kubernetes.io/enforce": "privileged"}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: probeNamespace, Labels: labels}}
	if _, err := p.client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	pod := probePod(gated)
	pod.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "procns.invalid/never"}}
	return p.until(ctx, "a pod can be made", func() (bool, error) { // its service account comes a moment later
		_, err := p.client.CoreV1().Pods(probeNamespace).Create(ctx, pod, metav1.CreateOptions{})
		return err == nil || apierrors.IsAlreadyExists(err), nil
	})
}

// admitted is what the API server makes, as a trial, of a plain pod, of one in the node's PID namespace, of the
// settings of a Deployment and a Job, and of an ephemeral container and an exec in the pod that is there, which runs
// nowhere.
func (p *place) admitted(ctx context.Context) (string, error) {
	pods := p.client.CoreV1().Pods(probeNamespace)
	trial := []string{metav1.DryRunAll}
	var answers []string
	keep := func(what func() []any, err error) error {
		if err != nil {
			answers = append(answers, refusedMark+err.Error())
			return nil
		}
		text, err := json.Marshal(what())
		answers = append(answers, string(text))
		return err
	}
	add := func(pod *corev1.Pod, err error) error {
		return keep(func() []any { return []any{pod.Labels, pod.Spec} }, err)
	}
	plain, host := probePod("probe"), probePod("probe")
	host.Spec.HostPID = true
	for _, pod := range []*corev1.Pod{plain, host} {
		if err := add(pods.Create(ctx, pod, metav1.CreateOptions{DryRun: trial})); err != nil {
			return "", err
		}
	}
	selector := map[string]string{"procns.invalid/probe": "workload"}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector}, Spec: probePod("").Spec}
	deployment, err := p.client.AppsV1().Deployments(probeNamespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "probe"},
		Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: selector}, Template: template},
	}, metav1.CreateOptions{DryRun: trial})
	if err := keep(func() []any { return []any{deployment.Spec} }, err); err != nil {
		return "", err
	}
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	job, err := p.client.BatchV1().Jobs(probeNamespace).Create(ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "probe"}, Spec: batchv1.JobSpec{Template: template},
	}, metav1.CreateOptions{DryRun: trial})
	// The selector and the template of a Job get labels that are new each time.
	if err := keep(func() []any { return []any{job.Spec.Suspend, job.Spec.Parallelism, job.Spec.ManagedBy} }, err); err != nil {
		return "", err
	}
	there, err := pods.Get(ctx, gated, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	there.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
		Name: "debugger", Image: "none.invalid/none", TerminationMessagePolicy: corev1.TerminationMessageReadFile,
	}}}
	if err := add(pods.UpdateEphemeralContainers(ctx, gated, there, metav1.UpdateOptions{DryRun: trial})); err != nil {
		return "", err
	}
	err = p.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(probeNamespace).Name(gated).SubResource("exec").
		Param("command", "true").Param("stdout", "true").Do(ctx).Error()
	return strings.Join(append(answers, fmt.Sprint(err)), "\n"), nil
}

// forget deletes what shows whether an input is in force.
func (p *place) forget(ctx context.Context) error {
	err := p.client.CoreV1().Namespaces().Delete(ctx, probeNamespace, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// until asks again until something is so, which nothing tells of by itself.
func (p *place) until(ctx context.Context, what string, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		is, err := so()
		if err != nil || is {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("it did not come to this: %s", what)
		}
	}
}

// left are the namespaces of runs.
func (p *place) left(ctx context.Context) ([]string, error) {
	list, err := p.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: suite.RunLabel})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range list.Items {
		if n.Name != probeNamespace {
			names = append(names, n.Name)
		}
	}
	return names, nil
}

// none waits until no namespace of a run is there: what an input held goes after it.
func (p *place) none(ctx context.Context) error {
	return p.until(ctx, "no namespace of a run is left", func() (bool, error) {
		names, err := p.left(ctx)
		return len(names) == 0, err
	})
}

// happen does what happens to a run, once its namespace is there.
func (p *place) happen(ctx context.Context, what Meanwhile, run *os.Process) error {
	if what == Nothing {
		return nil
	}
	watching, err := p.client.CoreV1().Namespaces().Watch(ctx, metav1.ListOptions{LabelSelector: suite.RunLabel})
	if err != nil {
		return err
	}
	defer watching.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil // the run is over
		case event, open := <-watching.ResultChan():
			namespace, ok := event.Object.(*corev1.Namespace)
			if !open {
				return nil
			}
			if !ok || event.Type != "ADDED" || namespace.Name == probeNamespace {
				continue
			}
			switch what {
			case Relabelled:
				level := []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
				if namespace.Labels["pod-security.kubernetes.io/enforce"] == "restricted" {
					level = bytes.Replace(level, []byte(`"restricted"`), []byte(`"privileged"`), 1)
				}
				if _, err := p.client.CoreV1().Namespaces().Patch(ctx, namespace.Name, types.MergePatchType, level, metav1.PatchOptions{}); err != nil && ctx.Err() == nil {
					return err
				}
			case SignalledTwice:
				return errors.Join(run.Signal(syscall.SIGTERM), run.Signal(syscall.SIGTERM))
			case HungUp:
				return run.Signal(syscall.SIGHUP)
			}
		}
	}
}
