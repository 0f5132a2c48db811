package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"procns/e2e/internal/servertext"
	"procns/e2e/internal/suite"
)

// The labels by which Pod Security knows the level that a namespace enforces, and
// the version of its rules. A run sets the first, and leaves the other out.
const (
	enforceLabel   = "pod-security.kubernetes.io/enforce"
	enforceVersion = "pod-security.kubernetes.io/enforce-version"
)

// runLevel is the level that the run's own namespace enforces.
const runLevel = "privileged"

// namespaceAt is a run's namespace that enforces a level of Pod Security, with the
// opt-outs and the labels that were asked for.
func namespaceAt(name, runID, level string, asked map[string]string) *corev1.Namespace {
	labels := suite.OptOutLabels()
	maps.Copy(labels, asked)
	maps.Copy(labels, map[string]string{
		suite.RunLabel:                     runID,
		enforceLabel:                       level,
		"pod-security.kubernetes.io/warn":  level,
		"pod-security.kubernetes.io/audit": level,
	})
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

func (s *Session) createNamespace(ctx context.Context, name, level string) error {
	stored, err := s.Client.CoreV1().Namespaces().Create(ctx, namespaceAt(name, s.RunID, level, s.labels), metav1.CreateOptions{})
	if err != nil {
		return suite.Failed(err, "creating namespace %s", name)
	}
	s.noteLabels(stored)
	return nil
}

// owns tells whether the run has a namespace although its creation failed: the
// server's answer was lost, or came too late.
func (s *Session) owns(ctx context.Context, name string, failed error) bool {
	if neverSent(failed) || !unanswered(failed) && !apierrors.IsInternalError(failed) {
		return false // the server's own no
	}
	const bound = 10 * time.Second // for one answer
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	found, err := s.Client.CoreV1().Namespaces().Get(asking, name, metav1.GetOptions{})
	if err != nil { // a name that only this run has may be deleted unseen
		return !apierrors.IsNotFound(err) && strings.HasPrefix(name, NamespaceOf(s.RunID))
	}
	return found.Labels[suite.RunLabel] == s.RunID
}

// level returns the namespace that enforces a level of Pod Security, and makes it
// when it is first asked for.
func (s *Session) level(ctx context.Context, podSecurity string) (string, error) {
	if podSecurity == "" {
		return s.Namespace, nil
	}
	s.levelsMu.Lock()
	defer s.levelsMu.Unlock()
	if name := s.levels[podSecurity]; name != "" {
		return name, nil
	}
	name := s.Namespace + "-" + podSecurity
	err := s.createNamespace(ctx, name, podSecurity)
	if err == nil || s.owns(ctx, name, err) {
		if s.levels == nil {
			s.levels = map[string]string{}
		}
		s.levels[podSecurity] = name // from now on it is cleaned up
	}
	if err != nil {
		return "", err
	}
	return name, s.awaitServiceAccount(ctx, name)
}

// levelOf is the level that the run gave a namespace, or "" where it is not the run's.
func (s *Session) levelOf(namespace string) string {
	if namespace == s.Namespace {
		return runLevel
	}
	level, ok := strings.CutPrefix(namespace, s.Namespace+"-")
	if !ok {
		return ""
	}
	return level
}

// namespaces are those that the run made.
func (s *Session) namespaces() []string {
	s.levelsMu.Lock()
	defer s.levelsMu.Unlock()
	return append([]string{s.Namespace}, slices.Sorted(maps.Values(s.levels))...)
}

// watchLabels watches the labels of the run's namespaces as long as the session
// lives: on some clusters a controller sets them, in all namespaces.
func (s *Session) watchLabels(living context.Context) {
	informer := informers.NewSharedInformerFactoryWithOptions(s.Client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.LabelSelector = suite.RunLabel + "=" + s.RunID
	})).Core().V1().Namespaces().Informer()
	note := func(object any) {
		if namespace, ok := object.(*corev1.Namespace); ok {
			s.noteLabels(namespace)
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: note, UpdateFunc: func(_, is any) { note(is) }})
	if err != nil {
		return // the informer has just been made
	}
	go informer.Run(living.Done())
}

// noteLabels keeps the labels of a namespace, and what is said of one whose level is not the run's.
func (s *Session) noteLabels(namespace *corev1.Namespace) {
	s.keepLabels(namespace)
	said := relabelled(namespace, s.levelOf(namespace.Name))
	if said == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relabelled == nil {
		s.relabelled = map[string][]string{}
	}
	if known := s.relabelled[namespace.Name]; !slices.Contains(known, said) {
		s.relabelled[namespace.Name] = append(known, said)
	}
}

// mostLabels is how many sets of labels of its namespaces a run remembers: somebody may count in them.
const mostLabels = 16

// keepLabels remembers the labels that a namespace had.
func (s *Session) keepLabels(namespace *corev1.Namespace) {
	labels := maps.Clone(namespace.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[corev1.LabelMetadataName] = namespace.Name // of every server since v1.21
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.labelled, func(known map[string]string) bool { return maps.Equal(known, labels) }) {
		return
	}
	if s.labelled = append(s.labelled, labels); len(s.labelled) > mostLabels {
		s.labelled = s.labelled[1:]
	}
}

// labelsSeen are the labels that the run's namespaces have had: those that it set, and those that they were
// stored with, or got, as far as it was seen.
func (s *Session) labelsSeen() []map[string]string {
	sent := namespaceAt(s.Namespace, s.RunID, runLevel, s.labels).Labels
	sent[corev1.LabelMetadataName] = s.Namespace
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]map[string]string{sent}, s.labelled...)
}

// relabelled says that a namespace enforces another level of Pod Security than the
// run set, or other rules of it, and who changed that; or nothing.
func relabelled(namespace *corev1.Namespace, level string) string {
	is, version := namespace.Labels[enforceLabel], namespace.Labels[enforceVersion]
	if level == "" || namespace.DeletionTimestamp != nil || is == level && (version == "" || version == "latest") {
		return ""
	}
	label := enforceLabel
	if is == level {
		label, is = enforceVersion, level+":"+version
	}
	return fmt.Sprintf("namespace %s enforces the level %q of Pod Security, and not %q, which the run set: %s changed the label %s; "+
		"have it leave namespaces with the label %s alone", namespace.Name, is, level, labelManager(namespace.ManagedFields, label), label, suite.RunLabel)
}

// labelManager names who last wrote a label, as the object's managed fields tell.
func labelManager(entries []metav1.ManagedFieldsEntry, label string) string {
	manager, last := "", metav1.Time{}
	for _, e := range entries {
		if e.FieldsV1 == nil || !servertext.OwnsLabel(e.FieldsV1.GetRawBytes(), label) {
			continue
		}
		if e.Time == nil || manager != "" && e.Time.Before(&last) {
			continue
		}
		manager, last = e.Manager, *e.Time
	}
	if manager == "" {
		return "somebody (no manager is recorded)"
	}
	return fmt.Sprintf("the field manager %q", manager)
}

// levelDoubt reads a namespace's labels, and says why what the server answers there
// tells nothing of the level that the run set; or nothing. A label that was set back
// meanwhile is a doubt as well.
func (s *Session) levelDoubt(ctx context.Context, namespace string) string {
	// Where it cannot be read, there is what the watch saw.
	if read, err := s.Client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{}); err == nil {
		s.noteLabels(read)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if said := s.relabelled[namespace]; len(said) > 0 {
		return said[0]
	}
	return ""
}

// refusedPod adds to a refusal by Pod Security in the run's own namespace who gave it
// that level.
func (s *Session) refusedPod(ctx context.Context, err error) error {
	var refused *suite.RefusedError
	if !errors.As(err, &refused) || refused.Refusal.By != suite.ByPodSecurity {
		return err
	}
	if doubt := s.levelDoubt(ctx, s.Namespace); doubt != "" {
		return fmt.Errorf("%w; %s", err, doubt)
	}
	return err
}

// Relabelled says, in one line for each change, which of the run's namespaces
// somebody gave another level of Pod Security.
func (s *Session) Relabelled() []string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, namespace := range slices.Sorted(maps.Keys(s.relabelled)) {
		all = append(all, s.relabelled[namespace]...)
	}
	return all
}

// unenforced says that Pod Security does not act on pods of this kind in a
// namespace, although its label says so; or nothing. It is asked with a pod that
// every level but privileged refuses: once for a namespace and a runtime class, as
// the plugin's configuration may exempt either.
func (s *Session) unenforced(ctx context.Context, namespace, level string, like *corev1.Pod) (string, error) {
	class := ""
	if like.Spec.RuntimeClassName != nil {
		class = *like.Spec.RuntimeClassName
	}
	key := namespace + "/" + class
	s.probedMu.Lock()
	defer s.probedMu.Unlock()
	if said, ok := s.probed[key]; ok {
		return said, nil
	}
	body, err := encode(privilegedPod(like))
	if err != nil {
		return "", err
	}
	answer, err := s.request(ctx, namespace, suite.Request{Verb: "POST", Path: "pods", Query: map[string]string{"dryRun": "All"}, Body: body})
	if err != nil {
		return "", err
	}
	said := ofProbe(answer, namespace, level)
	if refusal := answer.Refusal(); refusal.Down || refusal.By == suite.ByTrouble {
		return said, nil // the next one may be answered
	}
	if s.probed == nil {
		s.probed = map[string]string{}
	}
	s.probed[key] = said
	return said, nil
}

func privilegedPod(like *corev1.Pod) *corev1.Pod {
	yes := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "privileged", Labels: like.Labels},
		Spec: corev1.PodSpec{
			RuntimeClassName: like.Spec.RuntimeClassName,
			Containers: []corev1.Container{{
				Name: "privileged", Image: like.Spec.Containers[0].Image, SecurityContext: &corev1.SecurityContext{Privileged: &yes},
			}},
		},
	}
}

// ofProbe is what the answer to the privileged pod says of Pod Security.
func ofProbe(answer suite.Answer, namespace, level string) string {
	refusal := answer.Refusal()
	switch {
	case refusal.By == suite.ByPodSecurity && refusal.Name == level:
		return ""
	case answer.Accepted():
		return fmt.Sprintf("Pod Security is not enforced in namespace %s, whose label says %q: the API server admits a privileged pod there; "+
			"its admission plugin PodSecurity is off, or exempts the user, the namespace or the runtime class", namespace, level)
	}
	return fmt.Sprintf("whether Pod Security is enforced in namespace %s could not be found out with a privileged pod: %s", namespace, answer)
}
