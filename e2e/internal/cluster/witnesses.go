package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/witness"
)

// ClaimWitnesses makes the namespace in which a run leaves witnesses, before the
// run begins: where there is one already, the error says whose. Until the
// witnesses are saved, the namespace is one of the run's, and -cleanup takes it
// for that.
func ClaimWitnesses(ctx context.Context, client kubernetes.Interface, config *rest.Config, runID string, counts *Counts, labels map[string]string) (*Session, error) {
	namespace := namespaceAt(witness.Namespace, runID, "privileged", labels)
	namespace.Labels[witness.Label] = runID
	switch _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); {
	case apierrors.IsAlreadyExists(err):
		maps, err := client.CoreV1().ConfigMaps(witness.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("reading the witnesses that there are already: %w", err)
		}
		return nil, witness.Taken(maps.Items)
	case err != nil:
		s := newSession(client, config, runID, counts, witness.Namespace)
		err = suite.Failed(err, "creating namespace %s", witness.Namespace)
		if s.owns(ctx, witness.Namespace, err) {
			return s, err // so that it is cleaned up
		}
		return nil, err
	}
	return JoinWitnesses(ctx, client, config, runID, counts)
}

// JoinWitnesses watches the pods of the witnesses' namespace. Its Close deletes
// the namespace, its Leave does not.
func JoinWitnesses(ctx context.Context, client kubernetes.Interface, config *rest.Config, runID string, counts *Counts) (*Session, error) {
	s := newSession(client, config, runID, counts, witness.Namespace)
	return s, s.watchPods(ctx, s.living())
}

// SaveWitnesses keeps what is known of the witnesses in their namespace, for the
// run after the upgrade. From then on they wait for it.
func (s *Session) SaveWitnesses(ctx context.Context, state witness.State) error {
	nodes, err := s.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	boots := witness.BootIDs(nodes.Items)
	for i := range state.Witnesses {
		state.Witnesses[i].BootID = boots[state.Witnesses[i].Target.Node]
	}
	maps, err := state.Encode()
	if err != nil {
		return err
	}
	for _, m := range maps {
		m.Labels = map[string]string{witness.Label: s.RunID}
		if _, err := s.Client.CoreV1().ConfigMaps(s.Namespace).Create(ctx, m, metav1.CreateOptions{}); err != nil {
			return suite.Failed(err, "creating ConfigMap %s", m.Name)
		}
	}
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:null}}}`, suite.RunLabel)
	if _, err := s.Client.CoreV1().Namespaces().Patch(ctx, s.Namespace, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("taking the label %s off namespace %s: %w", suite.RunLabel, s.Namespace, err)
	}
	return nil
}

// FindWitnesses reads what an earlier run has left, and what became of it. of is
// the cluster's UID. Nothing is created.
func FindWitnesses(ctx context.Context, client kubernetes.Interface, of string) (witness.State, map[suite.WitnessKey]suite.Adopted, error) {
	fail := func(what string, err error) (witness.State, map[suite.WitnessKey]suite.Adopted, error) {
		return witness.State{}, nil, fmt.Errorf("%s: %w", what, err)
	}
	core := client.CoreV1()
	namespace, err := core.Namespaces().Get(ctx, witness.Namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), err == nil && namespace.DeletionTimestamp != nil:
		return witness.State{}, nil, witness.ErrNone
	case err != nil:
		return fail("reading namespace "+witness.Namespace, err)
	}
	maps, err := core.ConfigMaps(witness.Namespace).List(ctx, metav1.ListOptions{LabelSelector: witness.Label})
	if err != nil {
		return fail("reading the state of the witnesses", err)
	}
	state, err := witness.Decode(maps.Items, of)
	if err != nil {
		return state, nil, err
	}
	pods, err := core.Pods(witness.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fail("listing the witnesses", err)
	}
	nodes, err := core.Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fail("listing nodes", err)
	}
	return state, witness.Fates(state, pods.Items, nodes.Items), nil
}

// WaitingWitnesses is the ID of the run whose witnesses wait, or "".
func WaitingWitnesses(ctx context.Context, client kubernetes.Interface) (string, error) {
	list, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: witness.Label + ",!" + suite.RunLabel})
	if err != nil {
		return "", fmt.Errorf("looking for witnesses: %w", err)
	}
	for _, n := range list.Items {
		if n.Name == witness.Namespace && n.Status.Phase != corev1.NamespaceTerminating {
			return n.Labels[witness.Label], nil
		}
	}
	return "", nil
}

// DeleteWitnesses deletes them unjudged.
func DeleteWitnesses(ctx context.Context, client kubernetes.Interface, say func(string, ...any)) error {
	return deleteNamespaces(ctx, client, []string{witness.Namespace}, say)
}
