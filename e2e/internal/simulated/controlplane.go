package simulated

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"

	"procns/e2e/internal/pace"
)

// ControlPlane is etcd, an API server, a scheduler and the controllers without which no pod is created and
// no namespace goes, on this machine's loopback, and KWOK, which plays the nodes.
type ControlPlane struct {
	// Etcd, APIServer, Controllers, Scheduler and KWOK are the programs' files.
	Etcd, APIServer, Controllers, Scheduler, KWOK string
	// Folder holds all that they write. It has to be there.
	Folder string

	etcdPort, peerPort, apiPort int
}

// The users of the API server. The suite's is bound by priority and fairness, as users are: it is no member
// of system:masters. Nobody else has its name in the audit log.
const (
	Admin = "admin"
	Suite = "procns"
)

//go:embed audit.yaml
var auditPolicy []byte

//go:embed stages.yaml
var stages []byte

func (c *ControlPlane) file(name string) string { return filepath.Join(c.Folder, name) }

// Kubeconfig is the file with which a user comes in.
func (c *ControlPlane) Kubeconfig(user string) string { return c.file(user + ".kubeconfig") }

// AuditLog is the file that has a line for each request of the suite.
func (c *ControlPlane) AuditLog() string { return c.file("audit.log") }

// KubeletCertificate is what the simulated kubelet proves itself with: a certificate and its key, as files.
func (c *ControlPlane) KubeletCertificate() (certificate, key string) {
	return c.file("kubelet.crt"), c.file("kubelet.key")
}

// Prepare chooses ports and writes keys and configurations.
func (c *ControlPlane) Prepare() error {
	for _, port := range []*int{&c.etcdPort, &c.peerPort, &c.apiPort} {
		var err error
		if *port, err = freePort(); err != nil {
			return err
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	certificate, certificateKey, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return err
	}
	tokens := map[string]string{Admin: rand.Text(), Suite: rand.Text()}
	for name, content := range map[string][]byte{
		"accounts.key": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		"accounts.pub": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		"kubelet.crt":  certificate, "kubelet.key": certificateKey,
		"tokens.csv": fmt.Appendf(nil, "%s,%s,%[2]s,system:masters\n%s,%s,%[4]s\n", tokens[Admin], Admin, tokens[Suite], Suite),
		"audit.yaml": auditPolicy, "stages.yaml": stages,
	} {
		if err := os.WriteFile(c.file(name), content, 0o600); err != nil {
			return err
		}
	}
	for user, token := range tokens {
		if err := clientcmd.WriteToFile(c.kubeconfig(user, token), c.Kubeconfig(user)); err != nil {
			return err
		}
	}
	return nil
}

// freePort is one that nobody listens on at the moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("no TCP port")
	}
	return address.Port, nil
}

func (c *ControlPlane) kubeconfig(user, token string) clientcmdapi.Config {
	config := clientcmdapi.NewConfig()
	// The API server makes the certificate when it starts.
	config.Clusters["simulated"] = &clientcmdapi.Cluster{Server: fmt.Sprintf("https://127.0.0.1:%d", c.apiPort), CertificateAuthority: c.file("certificates/apiserver.crt")}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["simulated"] = &clientcmdapi.Context{Cluster: "simulated", AuthInfo: user}
	config.CurrentContext = "simulated"
	return *config
}

// startWithin is how long a program may take until it answers.
const startWithin = 2 * time.Minute

// Start starts them all, and waits until the API server is ready. The client is the administrator's, and
// bounds its rate by nothing.
func (c *ControlPlane) Start(ctx context.Context, p *Programs) (kubernetes.Interface, error) {
	etcd := fmt.Sprintf("http://127.0.0.1:%d", c.etcdPort)
	peer := fmt.Sprintf("http://127.0.0.1:%d", c.peerPort)
	if err := p.Start("etcd", c.Etcd,
		"--data-dir="+c.file("etcd"), "--listen-client-urls="+etcd, "--advertise-client-urls="+etcd,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer,
		"--unsafe-no-fsync", "--quota-backend-bytes=4294967296", "--log-level=warn",
	); err != nil {
		return nil, err
	}
	if err := answers(ctx, http.DefaultClient, etcd+"/health"); err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	if err := p.Start("kube-apiserver", c.APIServer,
		"--etcd-servers="+etcd, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", c.apiPort), "--cert-dir="+c.file("certificates"),
		"--service-cluster-ip-range=10.96.0.0/16", "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.file("accounts.pub"), "--service-account-signing-key-file="+c.file("accounts.key"),
		"--token-auth-file="+c.file("tokens.csv"), "--authorization-mode=RBAC", "--allow-privileged=true",
		"--kubelet-preferred-address-types=InternalIP", "--kubelet-certificate-authority="+c.file("kubelet.crt"),
		// Nobody would take the taint off a new node: the node controller does not run.
		"--disable-admission-plugins=TaintNodesByCondition",
		"--audit-policy-file="+c.file("audit.yaml"), "--audit-log-path="+c.AuditLog(), "--audit-log-maxsize=10000",
		"--profiling=false",
	); err != nil {
		return nil, err
	}
	client, config, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	if err := answers(ctx, web, config.Host+"/readyz"); err != nil {
		return nil, fmt.Errorf("kube-apiserver: %w", err)
	}
	as := "--kubeconfig=" + c.Kubeconfig(Admin)
	if err := p.Start("kube-controller-manager", c.Controllers, as, "--controllers=serviceaccount-controller,namespace-controller",
		"--leader-elect=false", "--use-service-account-credentials=false", "--service-account-private-key-file="+c.file("accounts.key"), "--secure-port=0",
	); err != nil {
		return nil, err
	}
	if err := p.Start("kube-scheduler", c.Scheduler, as, "--leader-elect=false", "--secure-port=0"); err != nil {
		return nil, err
	}
	// No leases: of thousands of nodes they would be hundreds of writes a second, and nobody here reads them.
	// Without a port KWOK serves nothing: it would run commands on this machine.
	return client, p.Start("kwok", c.KWOK, as, "--config="+c.file("stages.yaml"), "--manage-all-nodes=true", "--node-lease-duration-seconds=0")
}

// client is the administrator's, once the API server has made its certificate.
func (c *ControlPlane) client(ctx context.Context) (kubernetes.Interface, *rest.Config, error) {
	made := func() (bool, error) {
		_, err := os.Stat(c.file("certificates/apiserver.crt"))
		return err == nil, nil
	}
	if err := pace.Until(ctx, startWithin, made); err != nil {
		return nil, nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig(Admin))
	if err != nil {
		return nil, nil, fmt.Errorf("kube-apiserver has not come up: %w", err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	return client, config, err
}

// answers waits until an address answers that all is well.
func answers(ctx context.Context, web *http.Client, address string) error {
	last := errors.New("no answer")
	err := pace.Until(ctx, startWithin, func() (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return false, err
		}
		answer, err := web.Do(request)
		if err != nil {
			last = err
			return false, nil
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			last = nil
			return true, nil
		}
		last = errors.New(strings.ToLower(answer.Status))
		return false, nil
	})
	return errors.Join(err, last)
}
