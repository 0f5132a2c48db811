package suite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
)

// PodClient is what an act may use. Every use is recorded in the observation.
type PodClient interface {
	// Before is the observation made before the act.
	Before() Observation
	// Exec runs a command in a container and records its result under name. That
	// the connection was cut is an error: then nobody knows what was done.
	Exec(ctx context.Context, name, container string, command ...string) (probe.CommandResult, error)
	// ExecUnread runs a command in a container and reads nothing of what it prints, as a
	// client that hangs. It returns when ctx ends, which is no error, or when the session could
	// not be opened. Nothing is recorded.
	ExecUnread(ctx context.Context, container string, command ...string) error
	// Observe takes one more snapshot; it is not recorded.
	Observe(ctx context.Context, container string) (*probe.Snapshot, error)
	// Attach opens a terminal on a container's own process; what the
	// conversation shows is recorded by Note.
	Attach(ctx context.Context, container string, converse func(*probe.Terminal) error) error
	// Note records what the act saw.
	Note(what func(*Saw))

	// Apart carries out one experiment of the act. What keeps it from that is recorded under its name,
	// for the claims that turn on it, and no error: the act goes on. It is one where nothing can
	// follow, because the run or its target has come to an end.
	Apart(ctx context.Context, experiment string, do func(context.Context) error) error

	// Await watches the pod until done, for as long as within, and tells whether
	// it came to that. It not coming is no error: it is for the judge to say.
	Await(ctx context.Context, within time.Duration, what string, done func(PodState) bool) (bool, error)
	// Logs records what a container printed, or its previous instance.
	Logs(ctx context.Context, name, container string, previous bool) error
	// Follow records what a container prints from now on until it ends. The log
	// is complete when the act is done.
	Follow(ctx context.Context, name, container string) error
	// Events records the pod's events.
	Events(ctx context.Context) error
	// Delete deletes the pod, waits at most within until it is gone, and records
	// how it went.
	Delete(ctx context.Context, graceSeconds int64, within time.Duration) error
	// Copy makes a copy of the pod as `kubectl debug --copy-to` does, with
	// `--share-processes` set to share and a container DebugContainer added, and
	// records its observation under name.
	Copy(ctx context.Context, name string, share bool) error

	// Find waits, at most within, for another pod of the run to be Ready: the one
	// that chosen accepts. It records its observation under name among the copies,
	// and tells whether there was one.
	Find(ctx context.Context, name, what string, within time.Duration, chosen func(PodState) bool) (bool, error)

	// Manifest is the pod as it was sent, in the JSON form, for requests of the
	// act's own. Each call returns a new one.
	Manifest() map[string]any
	// Stored is the pod as the server has it, in the same form; nil where none is stored.
	Stored() map[string]any
	// Request sends a request to the API server and records the answer. That the
	// server refuses is no error.
	Request(ctx context.Context, name string, r Request) (Answer, error)

	// Node runs a command on the pod's node and records its result under name.
	Node(ctx context.Context, name string, command ...string) (probe.CommandResult, error)
	// RestartNode stops the pod's node and starts it again, and waits until it is Ready.
	RestartNode(ctx context.Context) error
	// AwaitNode waits until the pod's node is Ready, and kubelet has reported
	// since the given moment.
	AwaitNode(ctx context.Context, since time.Time) error
}

// podClient implements PodClient on a stage.
type podClient struct {
	stage     *stage
	pod       *corev1.Pod
	mu        sync.Mutex
	following sync.WaitGroup
	// endFollowing gives up the logs that are followed.
	endFollowing []context.CancelCauseFunc
}

func (h *podClient) cluster() Cluster { return h.stage.runner.Cluster }

// record changes the observation, which followers of logs do as well.
func (h *podClient) record(change func(*Observation)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.stage.observation)
}

func put[V any](into *map[string]V, name string, value V) {
	if *into == nil {
		*into = map[string]V{}
	}
	(*into)[name] = value
}

func (h *podClient) Before() Observation { return h.stage.observation }

func (h *podClient) Exec(ctx context.Context, name, container string, command ...string) (probe.CommandResult, error) {
	h.stage.spend(forCommands)
	result, err := h.cluster().Exec(ctx, h.stage.actsExecWithin(), h.stage.pod, container, command...)
	h.record(func(o *Observation) { put(&o.Ran, name, redactedResult(h.stage.ownProcesses, result)) })
	switch {
	case err == nil && result.Cut:
		err = fmt.Errorf("exec in container %s: the connection was cut: %s", container, result.Failure)
		h.stage.cutOff.Store(&err)
	case h.stage.tooBusy(ctx, err):
		h.stage.cutOff.Store(&err)
	}
	return result, err
}

func (h *podClient) ExecUnread(ctx context.Context, container string, command ...string) error {
	h.stage.spend(forUnread)
	return h.cluster().ExecUnread(ctx, h.stage.pod, container, command...)
}

func (h *podClient) Observe(ctx context.Context, container string) (*probe.Snapshot, error) {
	snapshot, _, err := h.stage.sees(ctx, forLooks, h.stage.execWithin(), h.stage.pod, container, nil)
	if err == nil && snapshot.Cut {
		err = fmt.Errorf("container %s could not be observed: %s", container, snapshot.Failure)
	}
	return snapshot, err
}

func (h *podClient) Attach(ctx context.Context, container string, converse func(*probe.Terminal) error) error {
	within := max(h.stage.patience(h.stage.runner.deadlines().Conversation), h.stage.key.act.ExecWithin)
	conversing, end := context.WithTimeoutCause(ctx, within, &probe.DeadlineError{What: "the terminal of container " + container, Within: within})
	defer end()
	h.stage.spend(forTerminals)
	err := h.cluster().Attach(conversing, h.stage.pod, container, converse)
	if h.stage.tooBusy(ctx, err) {
		h.stage.cutOff.Store(&err)
	}
	return err
}

func (h *podClient) Note(what func(*Saw)) {
	h.record(func(o *Observation) {
		what(&o.Saw)
		o.Saw.redact(h.stage.ownProcesses)
	})
}

func (h *podClient) Await(ctx context.Context, within time.Duration, what string, done func(PodState) bool) (bool, error) {
	within = h.stage.patience(within)
	waiting, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not within %s", within))
	defer cancel()
	var err error
	h.stage.rest(func() {
		_, err = h.cluster().Await(waiting, h.stage.pod, what, true, func(p *corev1.Pod) bool { return done(h.stage.state(p)) })
	})
	if err != nil && ctx.Err() == nil {
		h.stage.runner.Log("%s: %s: %v", h.stage.target.Name(), h.stage.key.folder(), err)
		return false, nil
	}
	return err == nil, err
}

func (h *podClient) Logs(ctx context.Context, name, container string, previous bool) error {
	text, err := h.cluster().Logs(ctx, h.stage.pod, container, previous)
	if err == nil {
		h.record(func(o *Observation) { put(&o.Logs, name, text) })
	}
	return h.unread(name, err)
}

// unread records what could not be read because nobody may: only the claims about it
// cannot be told. Any other error is the act's.
func (h *podClient) unread(name string, err error) error {
	if !errors.Is(err, ErrNotAllowed) {
		return err
	}
	h.record(func(o *Observation) { put(&o.Unread, name, err.Error()) })
	return nil
}

func (h *podClient) Follow(ctx context.Context, name, container string) error {
	following, end := context.WithCancelCause(ctx)
	followed, err := h.cluster().FollowLogs(following, h.stage.pod, container)
	if err != nil {
		end(nil)
		return h.unread(name, err)
	}
	h.endFollowing = append(h.endFollowing, end)
	h.following.Go(func() {
		log := <-followed
		h.record(func(o *Observation) {
			put(&o.Logs, name, log.Text)
			if log.Lost != nil {
				put(&o.Unread, name, log.Lost.Error())
			}
		})
	})
	return nil
}

// followed waits for the logs that are followed: their containers have ended, or the
// rest of the log is not to be had.
func (h *podClient) followed() {
	within := h.stage.patience(30 * time.Second) // kubelet closes a log within seconds of its container's end
	giveUp := time.AfterFunc(within, func() {
		for _, end := range h.endFollowing {
			end(&probe.DeadlineError{What: "the log", Within: within})
		}
	})
	h.following.Wait()
	giveUp.Stop()
	for _, end := range h.endFollowing {
		end(nil)
	}
}

func (h *podClient) Events(ctx context.Context) error {
	events, err := h.cluster().Events(ctx, h.stage.pod)
	if err == nil {
		h.record(func(o *Observation) { o.Events = events })
	}
	return h.unread(UnreadEvents, err)
}

func (h *podClient) Delete(ctx context.Context, graceSeconds int64, within time.Duration) error {
	h.stage.deletes.Store(true)
	began := time.Now()
	var gone bool
	var last *corev1.Pod
	var err error
	var took time.Duration
	h.stage.rest(func() {
		gone, last, err = h.cluster().Delete(ctx, h.stage.pod, graceSeconds, h.stage.patience(within))
		took = time.Since(began)
	})
	if err != nil {
		return err
	}
	deletion := &Deletion{GraceSeconds: graceSeconds, Gone: gone, Seconds: took.Seconds()}
	if last != nil {
		deletion.Last = h.stage.state(last)
	}
	h.record(func(o *Observation) { o.Deletion = deletion })
	return nil
}

func (h *podClient) Copy(ctx context.Context, name string, share bool) error {
	original := h.pod
	if current, ok := h.cluster().Current(h.stage.pod); ok {
		original = current
	}
	image := h.stage.runner.Image(DebugImage)
	placed := Manifest{File: copyOf + h.stage.key.file, Pod: h.stage.runner.Placement.debugCopy(original, share, image, "-"+name+"-"+probe.RandomHex(2))}
	h.stage.runner.Evidence.Save(h.stage.folder(), name+".yaml", placed.YAML())
	h.stage.copies = append(h.stage.copies, placed)
	h.stage.ownProcesses.Commands = append(h.stage.ownProcesses.Commands, bareCommands[DebugImage]) // the debugger's
	stored, err := h.cluster().Create(ctx, placed)
	if err != nil {
		return err
	}
	var changes *Changes
	if differences := difference.Pods(placed.Pod, stored, difference.Options{}); len(differences) > 0 {
		changes = h.stage.attributed(ctx, differences, stored)
		h.record(func(o *Observation) { put(&o.Copies, name, Observation{Pod: h.stage.state(stored), Changes: changes}) })
		if err := h.stage.setAside(placed.File, changes); err != nil {
			return err
		}
	}
	waiting, cancel := context.WithTimeoutCause(ctx, h.stage.runner.Timeout, fmt.Errorf("not within %s", h.stage.runner.Timeout))
	defer cancel()
	var pod *corev1.Pod
	h.stage.rest(func() {
		pod, err = h.cluster().Await(waiting, placed.Pod.Name, "Ready", false, func(p *corev1.Pod) bool { return h.stage.state(p).Ready })
	})
	if err != nil {
		return err
	}
	return h.look(ctx, name, pod, changes)
}

func (h *podClient) Find(ctx context.Context, name, what string, within time.Duration, chosen func(PodState) bool) (bool, error) {
	within = h.stage.patience(within)
	waiting, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not within %s", within))
	defer cancel()
	var pod *corev1.Pod
	var err error
	h.stage.rest(func() {
		pod, err = h.cluster().AwaitOne(waiting, what, func(p *corev1.Pod) bool {
			state := h.stage.state(p)
			return state.Ready && chosen(state)
		})
	})
	if err != nil && ctx.Err() == nil {
		h.stage.runner.Log("%s: %s: %v", h.stage.target.Name(), h.stage.key.folder(), err)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, h.look(ctx, name, pod, nil)
}

// look records the observation of a pod other than the stage's own, once each of
// its containers has answered.
func (h *podClient) look(ctx context.Context, name string, pod *corev1.Pod, changes *Changes) error {
	waiting, cancel := context.WithTimeoutCause(ctx, h.stage.runner.Timeout, fmt.Errorf("not within %s", h.stage.runner.Timeout))
	defer cancel()
	seen := Observation{Pod: h.stage.state(pod), Changes: changes, Before: map[string]*probe.Snapshot{}, Markers: h.stage.observation.Markers}
	err := pace.RetryWith(waiting, h.stage.runner.Timeout, h.stage.pause, func() (bool, error) {
		for _, c := range pod.Spec.Containers {
			if h.stage.added[c.Name] {
				continue
			}
			snapshot, raw, err := h.stage.sees(waiting, forOtherPods, h.stage.execWithin(), pod.Name, c.Name, nil)
			if err != nil {
				return false, err
			}
			seen.Before[c.Name] = snapshot
			h.stage.runner.Evidence.Save(h.stage.folder(), transcriptFile(name, c.Name), raw)
		}
		if missing := unobserved(seen); missing != nil {
			return true, fmt.Errorf("pod %s: %w", pod.Name, missing)
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	h.record(func(o *Observation) { put(&o.Copies, name, seen) })
	return nil
}

func (h *podClient) Manifest() map[string]any { return plain(h.stage.placed.Pod) }

func (h *podClient) Stored() map[string]any {
	if current, ok := h.cluster().Current(h.stage.pod); ok {
		return plain(current)
	}
	if h.pod == nil {
		return nil
	}
	return plain(h.pod)
}

// plain is a pod in the JSON form.
func plain(pod *corev1.Pod) map[string]any {
	var data map[string]any
	raw, err := json.Marshal(pod)
	if err == nil {
		err = json.Unmarshal(raw, &data)
	}
	if err != nil {
		return nil // a pod that was decoded can be encoded
	}
	data["apiVersion"], data["kind"] = "v1", "Pod"
	return data
}

func (h *podClient) Request(ctx context.Context, name string, r Request) (Answer, error) {
	if r.deletesPods() {
		h.stage.deletes.Store(true)
	}
	answer, err := h.cluster().Request(ctx, r)
	if err == nil {
		if differences := answer.changed(); len(differences) > 0 {
			answer.Changes = h.stage.attributed(ctx, differences, nil)
		}
		h.record(func(o *Observation) { put(&o.Answers, name, answer) })
	}
	return answer, err
}

func (h *podClient) Node(ctx context.Context, name string, command ...string) (probe.CommandResult, error) {
	within := max(h.stage.runner.deadlines().NodeCommand, h.stage.key.act.ExecWithin)
	running, end := context.WithTimeoutCause(ctx, within, &probe.DeadlineError{What: "the command on node " + h.stage.target.Node, Within: within})
	defer end()
	result, err := h.stage.runner.Nodes.Run(running, h.stage.target.Node, command...)
	if err != nil && ctx.Err() == nil && running.Err() != nil {
		err = errors.Join(context.Cause(running), err)
	}
	h.record(func(o *Observation) { put(&o.Ran, name, result) })
	return result, err
}

func (h *podClient) RestartNode(ctx context.Context) error {
	since := time.Now()
	if err := h.stage.runner.Nodes.Restart(ctx, h.stage.target.Node); err != nil {
		return err
	}
	return h.AwaitNode(ctx, since)
}

func (h *podClient) AwaitNode(ctx context.Context, since time.Time) error {
	return h.stage.runner.Nodes.AwaitReady(ctx, h.stage.target.Node, since)
}
