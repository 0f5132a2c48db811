// Command walkthrough follows the documentation's page on pods with shareProcessNamespace as tests with
// sigs.k8s.io/e2e-framework usually do: wait.For, which polls, and ExecInPod. It is what `make bench`
// compares the suite's walkthrough with, and has no controls.
//
// It is run at the top of the repository. Reads KUBECONFIG, NODE, NGINX_IMAGE, BUSYBOX_IMAGE and
// BUSYBOX_1_28_IMAGE. Exits with 0 if all is as the page says, and with 1 if not.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/klient"
	"sigs.k8s.io/e2e-framework/klient/decoder"
	"sigs.k8s.io/e2e-framework/klient/k8s"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/e2e-framework/klient/wait"
	"sigs.k8s.io/e2e-framework/klient/wait/conditions"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "walkthrough: "+err.Error())
		os.Exit(1)
	}
}

// bound is how long each wait may take.
const bound = 3 * time.Minute

// run follows both versions of the page in a namespace of its own, which it deletes.
func run(ctx context.Context) (err error) {
	client, err := klient.NewWithKubeConfigFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   fmt.Sprintf("procns-walkthrough-%08x", rand.Uint32()),
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "privileged"}, // because of SYS_PTRACE
	}}
	all := client.Resources()
	if err := all.Create(ctx, namespace); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gone(ctx, all, namespace)) }()
	here := client.Resources(namespace.Name)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: namespace.Name}}
	if err := wait.For(conditions.New(here).ResourcesFound(&corev1.ServiceAccountList{Items: []corev1.ServiceAccount{*account}}), wait.WithTimeout(bound)); err != nil {
		return err
	}
	for _, file := range []string{"fixtures/share-process-namespace.yaml", "fixtures/share-process-namespace-english.yaml"} {
		if err := follow(ctx, here, namespace.Name, file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// follow creates the pod of a manifest, and does what the page does.
func follow(ctx context.Context, here *resources.Resources, namespace, file string) error {
	pod, err := manifest(file, namespace)
	if err != nil {
		return err
	}
	if err := here.Create(ctx, pod); err != nil {
		return err
	}
	if err := wait.For(conditions.New(here).PodReady(pod), wait.WithTimeout(bound)); err != nil {
		return err
	}
	shell := func(command ...string) (string, error) {
		var out, errs bytes.Buffer
		if err := here.ExecInPod(ctx, namespace, pod.Name, "shell", command, &out, &errs); err != nil {
			return "", fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, errs.String())
		}
		return out.String(), nil
	}
	list, err := shell("ps", "ax")
	if err != nil {
		return err
	}
	seen := parse(list)
	if err := seen.shared(); err != nil {
		return err
	}
	if _, err := shell("kill", "-HUP", seen.master); err != nil {
		return err
	}
	err = wait.For(func(context.Context) (bool, error) {
		list, err := shell("ps", "ax")
		if err != nil {
			return false, err
		}
		return seen.replacedBy(parse(list)), nil
	}, wait.WithTimeout(bound))
	if err != nil {
		return fmt.Errorf("nginx gets new workers: %w", err)
	}
	configuration, err := shell("head", "/proc/"+seen.master+"/root/etc/nginx/nginx.conf")
	if err != nil {
		return err
	}
	if !strings.Contains(configuration, "worker_processes") {
		return fmt.Errorf("that is not nginx's configuration: %q", configuration)
	}
	return gone(ctx, here, pod)
}

// manifest reads the pod of a fixture, with the images and the node of the environment.
func manifest(file, namespace string) (*corev1.Pod, error) {
	text, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = text.Close() }()
	pod := &corev1.Pod{}
	if err := decoder.Decode(text, pod); err != nil {
		return nil, err
	}
	pod.Namespace, pod.Spec.NodeName = namespace, os.Getenv("NODE")
	images := map[string]string{"nginx": "NGINX_IMAGE", "busybox": "BUSYBOX_IMAGE", "busybox:1.28": "BUSYBOX_1_28_IMAGE"}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		c.ImagePullPolicy = corev1.PullIfNotPresent
		if reference := os.Getenv(images[c.Image]); reference != "" {
			c.Image = reference
		}
	}
	return pod, nil
}

// gone deletes an object, and waits until it is gone.
func gone(ctx context.Context, from *resources.Resources, object k8s.Object) error {
	// The page's shell ignores SIGTERM, and would use up any longer time.
	if err := from.Delete(ctx, object, resources.WithGracePeriod(time.Second)); err != nil {
		return err
	}
	return wait.For(conditions.New(from).ResourceDeleted(object), wait.WithTimeout(bound))
}
