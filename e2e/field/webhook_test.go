//go:build field

package field

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"procns/e2e/internal/suite"
)

const webhookName = "field-webhook.procns.invalid"

// webhook serves a validating webhook on this machine, at the address by which a node reaches it, and
// returns its configuration.
func (p *place) webhook(how Refusal) (object, func(), error) {
	address, err := p.ownAddress()
	if err != nil {
		return object{}, nil, err
	}
	certificate, authority, err := certificateFor(address)
	if err != nil {
		return object{}, nil, err
	}
	listener, err := tls.Listen("tcp", net.JoinHostPort(address.String(), "0"), &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		return object{}, nil, err
	}
	server := &http.Server{Handler: refuser(how.Code), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	stop := func() { _ = server.Close() }
	if how.Down {
		stop()
	}
	url := "https://" + listener.Addr().String() + "/"
	fail, none, seconds := registrationv1.Fail, registrationv1.SideEffectClassNone, int32(5)
	configuration := &registrationv1.ValidatingWebhookConfiguration{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfiguration"},
		ObjectMeta: metav1.ObjectMeta{Name: webhookName},
		Webhooks: []registrationv1.ValidatingWebhook{{
			Name:         webhookName,
			ClientConfig: registrationv1.WebhookClientConfig{URL: &url, CABundle: authority},
			Rules: []registrationv1.RuleWithOperations{{
				Operations: []registrationv1.OperationType{registrationv1.Create},
				Rule:       registrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: suite.RunLabel, Operator: metav1.LabelSelectorOpExists}}},
			// Where nobody answers, all other pods are spared.
			MatchConditions: []registrationv1.MatchCondition{{Name: "host-pid", Expression: "has(object.spec.hostPID) && object.spec.hostPID"}},
			FailurePolicy:   &fail, SideEffects: &none, TimeoutSeconds: &seconds, AdmissionReviewVersions: []string{"v1"},
		}},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(configuration)
	var o object
	o.Object = content
	return o, stop, err
}

// ownAddress is the address of this machine towards a node.
func (p *place) ownAddress() (net.IP, error) {
	nodes, err := p.client.CoreV1().Nodes().List(context.Background(), metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, node := range nodes.Items {
		for _, a := range node.Status.Addresses {
			if a.Type != corev1.NodeInternalIP {
				continue
			}
			connection, err := net.Dial("udp", net.JoinHostPort(a.Address, "9")) // nothing is sent
			if err != nil {
				return nil, err
			}
			defer func() { _ = connection.Close() }()
			return connection.LocalAddr().(*net.UDPAddr).IP, nil
		}
	}
	return nil, fmt.Errorf("no node has an internal address")
}

// refuser refuses pods in the node's PID namespace.
func refuser(code int32) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		var pod corev1.Pod
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil || json.Unmarshal(review.Request.Object.Raw, &pod) != nil {
			http.Error(w, "no AdmissionReview of a pod", http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: !pod.Spec.HostPID}
		if pod.Spec.HostPID {
			review.Response.Result = &metav1.Status{Message: "resource Pod was blocked due to the following policies\n\nfield-host-pid:\n  host-pid: not here", Code: code}
		}
		review.Request = nil
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	})
}

// certificateFor makes one that is its own authority.
func certificateFor(address net.IP) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "procns field"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 1),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{address},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
