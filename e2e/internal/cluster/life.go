package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/suite"
)

// A living run renews a Lease in its namespace. Who looks for dead ones looks
// twice: a Lease that was not renewed between is nobody's. No clock is compared,
// neither with another machine's nor with the server's.
const (
	leaseName = "procns"
	// renewEvery and LookTwice are far enough apart for a run to miss some
	// renewals, as while the API server restarts.
	renewEvery = 10 * time.Second
	// LookTwice is how long a run may show no sign of life.
	LookTwice = time.Minute
)

// showLife makes the run's Lease, and renews it until ended.
func (s *Session) showLife(ctx, ended context.Context) error {
	leases := s.Client.CoordinationV1().Leases(s.Namespace)
	seconds := int32(LookTwice.Seconds())
	now := metav1.NowMicro()
	_, err := leases.Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: leaseName, Labels: map[string]string{suite.RunLabel: s.RunID}},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &s.RunID, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now},
	}, metav1.CreateOptions{})
	if err != nil {
		return suite.Failed(err, "creating the run's Lease")
	}
	go func() {
		for pace.Pause(ended, renewEvery) == nil { // the interval itself is what is promised
			patch, err := json.Marshal(map[string]any{"spec": map[string]any{"renewTime": metav1.NowMicro()}})
			if err != nil {
				return
			}
			// One that fails is made good by the next.
			_, _ = leases.Patch(ended, leaseName, types.MergePatchType, patch, metav1.PatchOptions{})
		}
	}()
	return nil
}

// Dead are the namespaces of runs that do not live any more, with their run's ID.
type Dead struct{ Namespace, RunID string }

// FindDead looks for dead runs: twice, with wait between the two looks. say is
// told what is waited for. living counts the runs that showed a sign of life.
func FindDead(ctx context.Context, client kubernetes.Interface, say func(string, ...any), wait func(context.Context) error) (dead []Dead, living int, err error) {
	before, runs, err := look(ctx, client)
	if err != nil || len(runs) == 0 {
		return nil, 0, err
	}
	say("==> %d namespaces carry the label %s: looking again in %s for signs of life", len(runs), suite.RunLabel, LookTwice)
	if err := wait(ctx); err != nil {
		return nil, 0, err
	}
	after, still, err := look(ctx, client)
	if err != nil {
		return nil, 0, err
	}
	alive := map[string]bool{}
	for _, namespace := range slices.Sorted(maps.Keys(runs)) {
		run := runs[namespace]
		switch {
		case still[namespace] == "": // gone meanwhile: its run cleaned up
		case before[run] != after[run]:
			alive[run] = true
		default:
			dead = append(dead, Dead{namespace, run})
		}
	}
	return dead, len(alive), nil
}

// look returns the sign of life of each run, and the run of each namespace.
func look(ctx context.Context, client kubernetes.Interface) (signs, runs map[string]string, err error) {
	labelled := metav1.ListOptions{LabelSelector: suite.RunLabel}
	namespaces, err := client.CoreV1().Namespaces().List(ctx, labelled)
	if err != nil {
		return nil, nil, fmt.Errorf("listing namespaces: %w", err)
	}
	leases, err := client.CoordinationV1().Leases(metav1.NamespaceAll).List(ctx, labelled)
	if err != nil {
		return nil, nil, fmt.Errorf("listing Leases, the signs of life: %w", err)
	}
	signs, runs = map[string]string{}, map[string]string{}
	for _, n := range namespaces.Items {
		runs[n.Name] = n.Labels[suite.RunLabel]
	}
	for _, l := range leases.Items {
		signs[l.Labels[suite.RunLabel]] = string(l.UID) + " " + l.ResourceVersion
	}
	return signs, runs, nil
}

// DeleteStale deletes the namespaces of dead runs, all at once, and waits until they
// are gone. say is told what is waited for.
func DeleteStale(ctx context.Context, client kubernetes.Interface, dead []Dead, say func(string, ...any)) error {
	var names []string
	for _, d := range dead {
		names = append(names, d.Namespace)
	}
	return deleteNamespaces(ctx, client, names, say)
}

// CopyPullSecret copies a Secret for pulling images into the run's namespace.
func (s *Session) CopyPullSecret(ctx context.Context, namespace, name, as string) error {
	from, err := s.Client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("-pull-secret: there is no Secret %s/%s", namespace, name)
	case err != nil:
		return fmt.Errorf("-pull-secret %s/%s: %w", namespace, name, err)
	case from.Type != corev1.SecretTypeDockerConfigJson && from.Type != corev1.SecretTypeDockercfg:
		return fmt.Errorf("-pull-secret: the Secret %s/%s is of type %q, not %s", namespace, name, from.Type, corev1.SecretTypeDockerConfigJson)
	}
	_, err = s.Client.CoreV1().Secrets(s.Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: as, Labels: map[string]string{suite.RunLabel: s.RunID}},
		Type:       from.Type, Data: from.Data,
	}, metav1.CreateOptions{})
	if err != nil {
		return suite.Failed(err, "copying the Secret %s/%s", namespace, name)
	}
	return nil
}
