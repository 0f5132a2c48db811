package simulated

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// Kubelet is the kubelet of all simulated nodes, as far as an exec goes: kubelet's own streaming, and
// recordings in place of a runtime. Nobody has to prove who they are: it is for the local machine.
type Kubelet struct {
	Pods       *Pods
	Recordings *Recordings
	Faults     map[string]Fault // by node
}

// How long a stream may be idle, and may take to be made: kubelet's own limits.
const (
	idle     = 4 * time.Hour
	creation = 30 * time.Second
)

// ServeHTTP answers exec of one pod's container, and knows nothing else.
func (k *Kubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", k.exec)
	mux.ServeHTTP(w, r)
}

func (k *Kubelet) exec(w http.ResponseWriter, r *http.Request) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pod, err := k.Pods.get(r.Context(), r.PathValue("namespace"), r.PathValue("pod"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fault := k.Faults[pod.Spec.NodeName]
	if fault == Silent {
		<-r.Context().Done()
		return
	}
	run := executor(func(container string, command []string, out, errs io.Writer) error {
		boundary, paths, ok := asked(command)
		if !ok {
			return refuse(errs, errors.New("a simulated node runs the observation script and nothing else"))
		}
		stdout, stderr, err := k.Recordings.Answer(pod, container, boundary, paths, fault == Isolated)
		if err != nil {
			return refuse(errs, err)
		}
		if _, err := io.WriteString(out, stdout); err != nil {
			return err
		}
		_, err = io.WriteString(errs, stderr)
		return err
	})
	remotecommand.ServeExec(w, r, run, pod.Name, string(pod.UID), r.PathValue("container"), r.URL.Query()["command"],
		options, idle, creation, remotecommand.SupportedStreamingProtocols)
}

// refuse ends a command as a shell does that cannot run it.
func refuse(errs io.Writer, why error) error {
	const cannotRun = 126
	if _, err := io.WriteString(errs, why.Error()+"\n"); err != nil {
		return err
	}
	return utilexec.CodeExitError{Err: why, Code: cannotRun}
}

// executor answers a command in a container from a function that has no standard input.
type executor func(container string, command []string, out, errs io.Writer) error

// ExecInContainer is kubelet's: an error that is an exit code is the command's.
func (e executor) ExecInContainer(_ context.Context, _, _, container string, command []string, _ io.Reader, out, errs io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	return e(container, command, orNothing(out), orNothing(errs))
}

// orNothing takes what nobody asked for.
func orNothing(w io.WriteCloser) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
