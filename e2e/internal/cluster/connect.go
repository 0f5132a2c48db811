package cluster

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/flowcontrol"
)

// Place says where a cluster is: in a kubeconfig, which may be a list of files as
// $KUBECONFIG may (empty: the usual places), in one of its contexts, or around the
// pod that procns itself runs in.
type Place struct {
	Kubeconfig, Context string
	InCluster           bool
	// Plugins gets what credential plugins say; nil: they say it themselves.
	Plugins *Plugins
}

// Connect makes a client that counts its requests into counts. qps bounds the
// requests a second. The context's name comes with it. No request is sent.
func Connect(at Place, qps float32, counts *Counts) (*rest.Config, kubernetes.Interface, string, error) {
	config, name, err := at.config()
	if err != nil {
		return nil, nil, "", err
	}
	// One limiter for all that is sent: execs and attachments, which no client of
	// client-go's sends, wait for it as well (takeTurn).
	config.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(qps, max(1, int(2*qps)))
	config.UserAgent = "procns"
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return countingTransport{next, counts} })
	var client kubernetes.Interface
	make := func() { client, err = kubernetes.NewForConfig(config) }
	if config.ExecProvider != nil && at.Plugins != nil {
		at.Plugins.with(make)
	} else {
		make()
	}
	if err != nil {
		return nil, nil, "", fmt.Errorf("kubeconfig: %w", err)
	}
	return config, client, name, nil
}

func (p Place) config() (*rest.Config, string, error) {
	if p.InCluster {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, "", fmt.Errorf("-in-cluster: %w: is this a pod with a ServiceAccount's token?", err)
		}
		return config, "", nil
	}
	rules, err := p.rules()
	if err != nil {
		return nil, "", err
	}
	file := strings.Join(rules.GetLoadingPrecedence(), ", ")
	raw, err := rules.Load()
	if err != nil {
		return nil, "", fmt.Errorf("%s is no kubeconfig: %w", file, err)
	}
	name := p.Context
	if name == "" {
		name = raw.CurrentContext
	}
	if _, ok := raw.Contexts[name]; !ok {
		has := "it has none"
		if len(raw.Contexts) > 0 {
			has = "it has " + strings.Join(slices.Sorted(maps.Keys(raw.Contexts)), ", ")
		}
		if name == "" {
			return nil, "", fmt.Errorf("%s has no current context: choose with -context: %s", file, has)
		}
		return nil, "", fmt.Errorf("there is no context %q in %s: %s", name, file, has)
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*raw, name, &clientcmd.ConfigOverrides{}, rules).ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("context %q in %s: %w", name, file, err)
	}
	return config, name, nil
}

// KubeconfigFiles are the files that -kubeconfig names: a list as in $KUBECONFIG,
// unless there is a file of that very name.
func KubeconfigFiles(named string) []string {
	files := slices.DeleteFunc(filepath.SplitList(named), func(file string) bool { return file == "" })
	if _, err := os.Stat(named); err == nil || len(files) == 0 {
		return []string{named}
	}
	return files
}

// rules say which files are read. Of a list, those that do not exist are left out,
// as kubectl does; each of the others has to be a kubeconfig.
func (p Place) rules() (*clientcmd.ClientConfigLoadingRules, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.WarnIfAllMissing = false // said below, or by the lack of a context
	if p.Kubeconfig != "" {
		var found []string
		var missing error
		for _, file := range KubeconfigFiles(p.Kubeconfig) {
			if _, err := os.Stat(file); err != nil {
				missing = errors.Join(missing, err)
			} else {
				found = append(found, file)
			}
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("-kubeconfig: %w", missing)
		}
		rules.Precedence = found
	}
	for _, file := range rules.GetLoadingPrecedence() {
		if _, err := clientcmd.LoadFromFile(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is no kubeconfig: %w", file, err)
		}
	}
	return rules, nil
}

// Unreached says what a user can do about a server that gave no proper answer to
// the first request.
func Unreached(config *rest.Config, plugins *Plugins, err error) error {
	err = legible(err)
	host := config.Host
	var untrusted *tls.CertificateVerificationError
	switch {
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the API server %s does not accept the credentials (%w): they are wrong or have expired: log in again, or name others with -kubeconfig and -context", host, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the API server %s refuses to tell its version: %w: the credentials may do nothing there", host, err)
	case errors.As(err, &untrusted):
		return fmt.Errorf("the API server %s cannot be trusted: %w: check the kubeconfig's certificate-authority, and the clocks", host, err)
	case gettingCredentials(err):
		return noCredentials(config, plugins, err)
	}
	return fmt.Errorf("the API server %s cannot be reached: %w: check -kubeconfig and -context, and that the server runs", host, err)
}
