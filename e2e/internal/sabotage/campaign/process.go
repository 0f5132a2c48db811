package campaign

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"procns/e2e/internal/sabotage/mutants"
)

// output is where a run of the suite prints.
func output(folder string) string { return filepath.Join(folder, "output.txt") }

// suite runs the test binary and returns its exit code. An interrupt is passed on, and the
// run is given the time to clean up.
func (c *Campaign) suite(ctx context.Context, folder string, arguments []string) (int, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return 0, err
	}
	out, err := os.OpenFile(output(folder), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer func() { _ = out.Close() }()
	command := exec.CommandContext(ctx, c.Suite, arguments...)
	command.Stdout, command.Stderr = out, out
	// In a process group of its own a Ctrl-C on the terminal reaches it once, through us.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 3 * time.Minute // the suite's clean-up is bounded by two
	err = command.Run()
	if cause := context.Cause(ctx); cause != nil {
		return 0, cause
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() >= 0 {
		return ended.ExitCode(), nil
	}
	return 0, err
}

// serve starts the mutant's gateway on this machine, and writes a kubeconfig that leads
// through it: who comes through has the rights of the cluster's administrator, as the suite
// has on its own clusters.
func (c *Campaign) serve(m mutants.Mutant, folder string) (kubeconfig string, stop func(), err error) {
	server, err := url.Parse(c.config.Host)
	if err != nil {
		return "", nil, err
	}
	with, err := rest.TLSConfigFor(c.config)
	if err != nil {
		return "", nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	gateway := &http.Server{Handler: m.Gateway.Handler(server, with), ReadHeaderTimeout: time.Minute}
	go func() { _ = gateway.Serve(listener) }()
	kubeconfig = filepath.Join(folder, "gateway.kubeconfig")
	err = errors.Join(os.MkdirAll(folder, 0o755), writeKubeconfig(kubeconfig, m.Name, "http://"+listener.Addr().String()))
	if err != nil {
		_ = gateway.Close()
		return "", nil, fmt.Errorf("the gateway %s: %w", m.Name, err)
	}
	return kubeconfig, func() { _ = gateway.Close() }, nil
}

func writeKubeconfig(file, name, server string) error {
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, file)
}
