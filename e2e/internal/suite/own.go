package suite

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

// What the suite's own containers are told to run, and what is kept of others.

// bareCommands are what the documented images run where a manifest names no
// command. nginx is another matter: it overwrites its arguments.
var bareCommands = map[string][]string{"busybox": {"sh"}, "pause": {"/pause"}}

// Own is what the containers of the manifest's pod are told to run: their commands,
// probes and hooks. It is asked of the manifest as it is written, for it knows the
// images by the documentation's names.
func (m Manifest) Own() probe.Own {
	var own probe.Own
	add := func(c corev1.Container) {
		switch bare, known := bareCommands[ImageName(c.Image)]; {
		case len(c.Command) > 0:
			own.Commands = append(own.Commands, slices.Concat(c.Command, c.Args))
		case known:
			own.Commands = append(own.Commands, slices.Concat(bare, c.Args))
		default:
			own.Nginx = true
		}
		for _, variable := range c.Env {
			own.Variables = append(own.Variables, variable.Name)
		}
		for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
			if p != nil && p.Exec != nil {
				own.Commands = append(own.Commands, p.Exec.Command)
			}
		}
		if c.Lifecycle != nil {
			for _, hook := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
				if hook != nil && hook.Exec != nil {
					own.Commands = append(own.Commands, hook.Exec.Command)
				}
			}
		}
	}
	for _, c := range slices.Concat(m.Pod.Spec.InitContainers, m.Pod.Spec.Containers) {
		add(c)
	}
	for _, c := range m.Pod.Spec.EphemeralContainers {
		add(corev1.Container(c.EphemeralContainerCommon))
	}
	return own
}

// Redact forgets what is not the suite's own, in all that was seen of the pod and of
// those beside it.
func (o *Observation) Redact(own probe.Own) {
	for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
		for _, s := range snapshots {
			s.Redact(own)
		}
	}
	o.Saw.redact(own)
	for name, r := range o.Ran {
		o.Ran[name] = redactedResult(own, r)
	}
	for name, copied := range o.Copies {
		copied.Redact(own)
		o.Copies[name] = copied
	}
}

func redactedResult(own probe.Own, r probe.CommandResult) probe.CommandResult {
	r.Stdout = own.RedactPS(r.Stdout)
	return r
}

// sees takes one snapshot, and forgets at once what is not the suite's own: neither
// the snapshot nor the raw text beside it holds that. The purpose is that of the exec. A look that had no
// answer in its time is sent once more where the target answers others: it only reads, and the node may have
// been too busy.
func (s *stage) sees(ctx context.Context, purpose string, within time.Duration, pod, container string, paths []string) (*probe.Snapshot, string, error) {
	snapshot, raw, err := s.seesOnce(ctx, purpose, within, pod, container, paths)
	if s.tooBusy(ctx, err) {
		snapshot, raw, err = s.seesOnce(ctx, purpose, within, pod, container, paths)
	}
	return snapshot, raw, err
}

func (s *stage) seesOnce(ctx context.Context, purpose string, within time.Duration, pod, container string, paths []string) (*probe.Snapshot, string, error) {
	s.spend(purpose)
	began := time.Now()
	snapshot, raw, err := s.runner.Cluster.Observe(ctx, within, pod, container, paths)
	s.looked(purpose, snapshot, err, began, within)
	if err != nil {
		return snapshot, "", err
	}
	snapshot.Redact(s.ownProcesses)
	s.runner.Facts.noteLabel(s.target, s.placed.Pod, container, snapshot)
	return snapshot, probe.RedactRaw(raw, snapshot), nil
}

// ours tells whether the manifest has the container.
func (s *stage) ours(container string) bool {
	named := func(c corev1.Container) bool { return c.Name == container }
	return s.placed.Pod == nil || slices.ContainsFunc(slices.Concat(s.placed.Pod.Spec.InitContainers, s.placed.Pod.Spec.Containers), named)
}

// withoutOthers is a stored pod as the evidence keeps it: of containers that the
// cluster added, no commands, and of variables that it added, no values.
func (s *stage) withoutOthers(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	named := map[string]bool{}
	for _, name := range s.ownProcesses.Variables {
		named[name] = true
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			c := &containers[i]
			ours := s.ours(c.Name)
			if !ours {
				c.Command, c.Args, c.Lifecycle, c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = nil, nil, nil, nil, nil, nil
			}
			for i := range c.Env {
				if !ours || !named[c.Env[i].Name] {
					c.Env[i].Value = ""
				}
			}
		}
	}
	return pod
}
