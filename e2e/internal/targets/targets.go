// Package targets chooses where the cases are run: on which nodes, and with
// which runtime classes. It is pure: it is handed what the cluster has.
package targets

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"

	"procns/e2e/internal/suite"
)

// The choices of nodes that are no label selector.
const (
	// Sample is one node of each kind: OS image, kernel, runtime, architecture and kubelet.
	Sample = "sample"
	// All is every node.
	All = "all"
)

// Default stands for a node's own default runtime in a list of runtime classes.
const Default = "default"

// Choice is what the user asked for.
type Choice struct {
	// Nodes is Sample, All or a label selector. Empty means Sample.
	Nodes string
	// RuntimeClasses are names, each a target of its own on each node. None means
	// the default runtime alone.
	RuntimeClasses []string
	Tolerate       Tolerate
}

// Tolerate says which taints the pods tolerate.
type Tolerate struct {
	// All stands for whatever taints a node has, but for those by which the
	// control plane says that something is wrong with it.
	All  bool
	List []corev1.Toleration
}

// LeftOut is a node on which nothing is run, and why.
type LeftOut struct{ Node, Reason string }

// Selection is what came of a choice.
type Selection struct {
	Targets []suite.Target
	LeftOut []LeftOut
	// Tolerations are those that pods need on a node, by its name.
	Tolerations map[string][]corev1.Toleration
}

// ErrNone means that nothing is left to run on.
var ErrNone = errors.New("no node is covered")

// conditionPrefix is that of the taints by which the control plane says that a
// node is not well, or not wanted at the moment.
const conditionPrefix = "node.kubernetes.io/"

// CheckNodes says what is wrong with a choice of nodes.
func CheckNodes(choice string) error {
	_, err := selector(choice)
	return err
}

func selector(choice string) (labels.Selector, error) {
	switch choice {
	case "", Sample, All:
		return labels.Everything(), nil
	}
	chosen, err := labels.Parse(choice)
	if err != nil {
		return nil, fmt.Errorf("%q is neither %s nor %s nor a label selector such as pool=blue: %w", choice, Sample, All, err)
	}
	return chosen, nil
}

// ParseToleration reads key:Effect, which tolerates any value, or key=value:Effect.
func ParseToleration(text string) (corev1.Toleration, error) {
	wrong := fmt.Errorf("%q is no toleration: expected key:Effect or key=value:Effect with NoSchedule, NoExecute or PreferNoSchedule, or all", text)
	taint, effect, ok := strings.Cut(text, ":")
	if !ok {
		return corev1.Toleration{}, wrong
	}
	key, value, hasValue := strings.Cut(taint, "=")
	known := []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute, corev1.TaintEffectPreferNoSchedule}
	if key == "" || !slices.Contains(known, corev1.TaintEffect(effect)) {
		return corev1.Toleration{}, wrong
	}
	toleration := corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffect(effect)}
	if hasValue {
		toleration.Operator, toleration.Value = corev1.TolerationOpEqual, value
	}
	return toleration, nil
}

// Select chooses among the cluster's nodes. classes holds the RuntimeClasses that
// were asked for and exist, by name.
func Select(nodes []corev1.Node, classes map[string]nodev1.RuntimeClass, choice Choice) (Selection, error) {
	s := Selection{Tolerations: map[string][]corev1.Toleration{}}
	chosen, err := selector(choice.Nodes)
	if err != nil {
		return s, err
	}
	nodes = slices.Clone(nodes)
	slices.SortFunc(nodes, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	like := map[suite.Model]string{} // the first node of each kind
	for _, node := range nodes {
		if !chosen.Matches(labels.Set(node.Labels)) {
			s.leaveOut(node, "", "not selected by -nodes "+choice.Nodes)
			continue
		}
		if reason := unusable(node); reason != "" {
			s.leaveOut(node, "", reason)
			continue
		}
		for _, name := range asked(choice.RuntimeClasses) {
			class := classes[name]
			tolerations := tolerated(node, choice.Tolerate)
			reason := refuses(node, class, slices.Concat(tolerations, scheduling(class).Tolerations))
			if reason != "" {
				s.leaveOut(node, name, reason)
				continue
			}
			target := targetOn(node, name, class.Handler)
			this := target.Model()
			if first := like[this]; first != "" && (choice.Nodes == "" || choice.Nodes == Sample) {
				s.leaveOut(node, name, "of the same kind as "+first+" (OS image, kernel, runtime, architecture, kubelet): -nodes all covers it")
				continue
			}
			like[this] = node.Name
			s.Targets = append(s.Targets, target)
			if len(tolerations) > 0 {
				s.Tolerations[node.Name] = tolerations
			}
		}
	}
	if len(s.Targets) == 0 {
		return s, fmt.Errorf("%w: %s", ErrNone, s.reasons())
	}
	return s, nil
}

// asked are the runtime classes, with "" for the default runtime.
func asked(names []string) []string {
	if len(names) == 0 {
		return []string{""}
	}
	var all []string
	for _, name := range names {
		if name == Default {
			name = ""
		}
		all = append(all, name)
	}
	return all
}

func (s *Selection) leaveOut(node corev1.Node, class, reason string) {
	if class != "" {
		reason = "runtime class " + class + ": " + reason
	}
	s.LeftOut = append(s.LeftOut, LeftOut{node.Name, reason})
}

// reasons tells, for one line, why nothing is left.
func (s *Selection) reasons() string {
	if len(s.LeftOut) == 0 {
		return "the cluster has none"
	}
	const most = 3
	var all []string
	for _, l := range s.LeftOut[:min(most, len(s.LeftOut))] {
		all = append(all, l.Node+": "+l.Reason)
	}
	if more := len(s.LeftOut) - most; more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, "; ")
}

// unusable says why nothing can run on a node, whatever is tolerated.
func unusable(node corev1.Node) string {
	if node.Labels[corev1.LabelOSStable] == "windows" || node.Status.NodeInfo.OperatingSystem == "windows" {
		return "Windows has no PID namespaces: the field is refused there"
	}
	isReady := func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	}
	if !slices.ContainsFunc(node.Status.Conditions, isReady) {
		return "not Ready"
	}
	return ""
}

// taints are the node's, with that of a cordoned node, which the node controller
// adds a little later.
func taints(node corev1.Node) []corev1.Taint {
	cordoned := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	same := func(t corev1.Taint) bool { return t.Key == cordoned.Key && t.Effect == cordoned.Effect }
	if node.Spec.Unschedulable && !slices.ContainsFunc(node.Spec.Taints, same) {
		return append(slices.Clone(node.Spec.Taints), cordoned)
	}
	return node.Spec.Taints
}

// tolerated are the tolerations that pods get on a node.
func tolerated(node corev1.Node, by Tolerate) []corev1.Toleration {
	all := slices.Clone(by.List)
	if !by.All {
		return all
	}
	for _, t := range taints(node) {
		if strings.HasPrefix(t.Key, conditionPrefix) || t.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		toleration := corev1.Toleration{Key: t.Key, Operator: corev1.TolerationOpEqual, Value: t.Value, Effect: t.Effect}
		if !slices.ContainsFunc(all, func(have corev1.Toleration) bool { return tolerates(have, t) }) {
			all = append(all, toleration)
		}
	}
	return all
}

// tolerates leaves out the comparison of numbers (Lt, Gt), which is alpha.
func tolerates(t corev1.Toleration, taint corev1.Taint) bool {
	return t.ToleratesTaint(klog.Background(), &taint, false)
}

// refuses says why a node would not take a pod of a runtime class, or "".
func refuses(node corev1.Node, class nodev1.RuntimeClass, tolerations []corev1.Toleration) string {
	for _, taint := range taints(node) {
		bearable := taint.Effect == corev1.TaintEffectPreferNoSchedule ||
			slices.ContainsFunc(tolerations, func(t corev1.Toleration) bool { return tolerates(t, taint) })
		switch {
		case bearable:
		case taint.Key == corev1.TaintNodeUnschedulable:
			return "cordoned"
		default:
			return "tainted " + taint.ToString() + ", which -tolerate does not name"
		}
	}
	if wanted := scheduling(class).NodeSelector; !labels.SelectorFromSet(wanted).Matches(labels.Set(node.Labels)) {
		return "the class is for nodes with " + labels.Set(wanted).String() + " only"
	}
	handlers := node.Status.RuntimeHandlers
	known := func(h corev1.NodeRuntimeHandler) bool { return h.Name == class.Handler }
	if class.Handler != "" && len(handlers) > 0 && !slices.ContainsFunc(handlers, known) {
		return fmt.Sprintf("the node's runtime has no handler %q", class.Handler)
	}
	return ""
}

func scheduling(class nodev1.RuntimeClass) nodev1.Scheduling {
	if class.Scheduling == nil {
		return nodev1.Scheduling{}
	}
	return *class.Scheduling
}

func targetOn(node corev1.Node, class, handler string) suite.Target {
	info := node.Status.NodeInfo
	_, simulated := node.Annotations[suite.SimulatedAnnotation]
	return suite.Target{
		Node: node.Name, RuntimeClass: class, OSImage: info.OSImage, Kernel: info.KernelVersion, Architecture: info.Architecture,
		Runtime: info.ContainerRuntimeVersion, Kubelet: info.KubeletVersion, BootID: info.BootID,
		CgroupMode: "unknown", UserNamespaces: userNamespaces(node, handler), Simulated: simulated,
	}
}

// userNamespaces reads what a runtime handler says of itself
// (status.runtimeHandlers, KEP-127). The default one has no name.
func userNamespaces(node corev1.Node, handler string) string {
	for _, h := range node.Status.RuntimeHandlers {
		if h.Name == handler && h.Features != nil && h.Features.UserNamespaces != nil {
			if *h.Features.UserNamespaces {
				return "yes"
			}
			return "no"
		}
	}
	return "unknown"
}

// Missing names the runtime classes that were asked for and do not exist.
func Missing(asked []string, have map[string]nodev1.RuntimeClass) error {
	var missing []string
	for _, name := range asked {
		if _, ok := have[name]; !ok && name != Default {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	known := "it has none"
	if len(have) > 0 {
		known = "it has " + strings.Join(slices.Sorted(maps.Keys(have)), ", ")
	}
	return fmt.Errorf("-runtime-classes: the cluster has no RuntimeClass %s; %s", strings.Join(missing, ", "), known)
}
