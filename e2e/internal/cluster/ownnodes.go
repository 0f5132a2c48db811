package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	kindexec "sigs.k8s.io/kind/pkg/exec"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// OwnNodes reaches into the nodes of a kind cluster of the suite's own. It
// implements suite.Nodes.
type OwnNodes struct {
	Kind   *Kind
	Client kubernetes.Interface
	// Machines are the nodes, by name, that are no containers of kind's.
	Machines map[string]Machine
}

var _ suite.Nodes = OwnNodes{}

// Run runs a command in the node's container, or on the machine that the node is.
func (o OwnNodes) Run(ctx context.Context, name string, command ...string) (probe.CommandResult, error) {
	if machine, ok := o.Machines[name]; ok {
		result, err := machine.run(ctx, command...)
		if err != nil {
			err = fmt.Errorf("%s on node %s: %w", strings.Join(command, " "), name, err)
		}
		return result, err
	}
	node, err := o.Kind.node(name)
	if err != nil {
		return probe.CommandResult{Failure: err.Error()}, err
	}
	var stdout, stderr bytes.Buffer
	err = node.CommandContext(ctx, command[0], command[1:]...).SetStdout(&stdout).SetStderr(&stderr).Run()
	result := probe.CommandResult{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	var failed *kindexec.RunError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		result.Code = exit.ExitCode()
	case errors.As(err, &failed) && errors.As(failed.Inner, &exit):
		result.Code = exit.ExitCode()
	default:
		result.Failure = err.Error()
		return result, fmt.Errorf("%s on node %s: %w", strings.Join(command, " "), name, err)
	}
	return result, nil
}

// Restart stops the node's container and starts it again, as a reboot does; a machine is
// rebooted.
func (o OwnNodes) Restart(ctx context.Context, name string) error {
	if machine, ok := o.Machines[name]; ok {
		const bound = 3 * time.Minute // a machine under emulation needs one
		if err := machine.restart(ctx, bound); err != nil {
			return fmt.Errorf("restarting node %s: %w", name, err)
		}
		return nil
	}
	if _, err := o.Kind.node(name); err != nil {
		return err
	}
	// A node that an interrupt caught between stop and start would stay stopped.
	const bound = 2 * time.Minute // the engine kills what has not stopped after ten seconds
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	out, err := exec.CommandContext(whole, o.Kind.engine, "restart", name).CombinedOutput()
	if err != nil {
		return fmt.Errorf("restarting node %s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// AwaitReady watches the node until it is Ready by a report of kubelet's that is
// younger than since: the report from before the act proves nothing.
func (o OwnNodes) AwaitReady(ctx context.Context, name string, since time.Time) error {
	const bound = 3 * time.Minute // a node needs well under one
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("not within %s", bound))
	defer cancel()
	state, back := "it was never seen", false
	note := func(node *corev1.Node) {
		back = false
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady {
				state = fmt.Sprintf("%s, reported at %s", c.Reason, c.LastHeartbeatTime)
				back = c.Status == corev1.ConditionTrue && !c.LastHeartbeatTime.Time.Before(since.Truncate(time.Second))
			}
		}
	}
	err := watchNodes(ctx, o.Client, fields.OneTermEqualSelector("metadata.name", name), note, func() bool { return back })
	if err != nil {
		return fmt.Errorf("node %s is not Ready again: %w; its last state: %s", name, errors.Join(err, context.Cause(ctx)), state)
	}
	return nil
}
