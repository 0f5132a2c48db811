package witness

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/suite"
)

// Fates says what became of each witness, from the pods of the witnesses'
// namespace and the cluster's nodes.
func Fates(s State, pods []corev1.Pod, nodes []corev1.Node) map[suite.WitnessKey]suite.Adopted {
	all := map[suite.WitnessKey]suite.Adopted{}
	drained := map[string]bool{} // by the node's name
	for _, w := range s.Witnesses {
		a := suite.Adopted{Witness: w, Fate: fateOf(w, nodes)}
		if old := find(pods, func(p corev1.Pod) bool { return string(p.UID) == w.UID }); lives(old) {
			a.Pod = old.Name
		} else if next := successor(w, pods); next != nil {
			a.Pod, a.Fate.Replaced = next.Name, true
			drained[w.Target.Node] = true
		}
		all[w.Key()] = a
	}
	for key, a := range all {
		if a.Pod != "" {
			continue
		}
		w := a.Witness
		old := find(pods, func(p corev1.Pod) bool { return string(p.UID) == w.UID })
		switch {
		case w.Created != w.Pod:
			a.Lost = fmt.Sprintf("%s has no pod any more: %s is gone, and none took its place", w.Created, w.Pod)
		case drained[w.Target.Node]:
			a.Gone = fmt.Sprintf("the node was drained: pod %s is gone with it, and nobody makes a bare pod anew", w.Pod)
		case a.Fate.Rebooted:
			a.Gone = fmt.Sprintf("the node was restarted, and pod %s ended%s: nobody makes a bare pod anew", w.Pod, because(old))
		default:
			a.Lost = fmt.Sprintf("pod %s is gone%s, although its node was neither drained nor restarted", w.Pod, because(old))
		}
		all[key] = a
	}
	return all
}

// Vanished names the targets that have witnesses and are none any more.
func Vanished(s State, targets []suite.Target) []string {
	var all []string
	for _, w := range s.Witnesses {
		name := w.Target.Name()
		is := func(t suite.Target) bool { return t.Name() == name }
		if !slices.ContainsFunc(targets, is) && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// BootIDs are those of the nodes, by name.
func BootIDs(nodes []corev1.Node) map[string]string {
	all := map[string]string{}
	for _, n := range nodes {
		all[n.Name] = n.Status.NodeInfo.BootID
	}
	return all
}

func fateOf(w suite.Witness, nodes []corev1.Node) suite.Fate {
	fate := suite.Fate{Earlier: w.Seen, KubeletWas: w.Target.Kubelet, RuntimeWas: w.Target.Runtime}
	for _, n := range nodes {
		if n.Name == w.Target.Node {
			info := n.Status.NodeInfo
			fate.KubeletIs, fate.RuntimeIs = info.KubeletVersion, info.ContainerRuntimeVersion
			fate.Rebooted = info.BootID != w.BootID
		}
	}
	return fate
}

func find(pods []corev1.Pod, is func(corev1.Pod) bool) *corev1.Pod {
	if i := slices.IndexFunc(pods, is); i >= 0 {
		return &pods[i]
	}
	return nil
}

func lives(p *corev1.Pod) bool {
	return p != nil && p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded
}

// successor is the pod that a witness's workload made in the place of the old
// one: one that is Ready, where there are several.
func successor(w suite.Witness, pods []corev1.Pod) *corev1.Pod {
	ours := func(p corev1.Pod) bool {
		return lives(&p) && w.Created != w.Pod && p.Labels[suite.PodLabel] == w.Created
	}
	if ready := find(pods, func(p corev1.Pod) bool { return ours(p) && suite.StateOf(&p).Ready }); ready != nil {
		return ready
	}
	return find(pods, ours)
}

// because is why a pod that is over ended, as far as its object says.
func because(p *corev1.Pod) string {
	if p == nil || p.Status.Reason == "" {
		return ""
	}
	return " (" + p.Status.Reason + ")"
}
