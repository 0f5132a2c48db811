package campaign

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	nodev1 "k8s.io/api/node/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"procns/e2e/internal/sabotage/mutants"
	"procns/e2e/internal/suite"
)

const (
	unitName       = "procns-sabotage"
	webhookAddress = "127.0.0.1:9443"
)

// install makes the RuntimeClasses that lead pods to the mutants, and starts the webhook on the
// control plane's node, where the API server reaches it at the node's own address. The API server
// is told of it while a mutant needs it (admission.go).
func install(ctx context.Context, client kubernetes.Interface, nodes suite.Nodes, controlPlane string, all []mutants.Mutant) error {
	for _, m := range all {
		if !m.HasClass() {
			continue
		}
		class := &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: m.Name}, Handler: m.Handler()}
		if _, err := client.NodeV1().RuntimeClasses().Create(ctx, class, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	// It returns when the webhook listens (sd_notify). An earlier one is replaced.
	const start = `systemctl stop "$1" 2>/dev/null; systemctl reset-failed "$1" 2>/dev/null
exec systemd-run --unit="$1" --property=Type=notify --property=NotifyAccess=all --property=Restart=always "$2" webhook "$3" "$4" "$5"`
	result, err := nodes.Run(ctx, controlPlane, "sh", "-c", start, "start", unitName,
		inNode+"/"+program, webhookAddress, inNode+"/"+certificateFile, inNode+"/"+keyFile)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("the webhook does not start on %s: %s", controlPlane, result)
	}
	if err != nil {
		return err
	}
	return nil
}

// webhookConfiguration asks for the namespaces of runs of the suite alone.
func webhookConfiguration(authority []byte) *admissionv1.MutatingWebhookConfiguration {
	url := "https://" + webhookAddress + "/"
	fail, none, equivalent := admissionv1.Fail, admissionv1.SideEffectClassNone, admissionv1.Equivalent
	seconds := int32(10)
	rule := func(group string, operations []admissionv1.OperationType, resources ...string) admissionv1.RuleWithOperations {
		return admissionv1.RuleWithOperations{
			Operations: operations,
			Rule:       admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: resources},
		}
	}
	both := []admissionv1.OperationType{admissionv1.Create, admissionv1.Update}
	hook := func(name string, rules ...admissionv1.RuleWithOperations) admissionv1.MutatingWebhook {
		return admissionv1.MutatingWebhook{
			Name:                    name + "." + mutants.WebhookDomain,
			ClientConfig:            admissionv1.WebhookClientConfig{URL: &url, CABundle: authority},
			Rules:                   rules,
			NamespaceSelector:       ofRuns(),
			FailurePolicy:           &fail,
			MatchPolicy:             &equivalent,
			SideEffects:             &none,
			TimeoutSeconds:          &seconds,
			AdmissionReviewVersions: []string{"v1"},
		}
	}
	specs := hook("specs", rule("", both, "pods", "pods/ephemeralcontainers"),
		rule("apps", both, "deployments", "replicasets", "statefulsets", "daemonsets"),
		rule("batch", both, "jobs", "cronjobs"))
	// Kubelet reports every change of every pod: failures alone go through the webhook, and of pods that
	// are not being deleted, which without it would never end.
	status := hook("status", rule("", []admissionv1.OperationType{admissionv1.Update}, "pods/status"))
	status.MatchConditions = []admissionv1.MatchCondition{{Name: "failed", Expression: `object.status.phase == "Failed" && !has(object.metadata.deletionTimestamp)`}}
	return &admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: mutants.WebhookDomain},
		Webhooks:   []admissionv1.MutatingWebhook{specs, status},
	}
}
