package acceptance

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"
)

// withToken is a kubeconfig with a token for every user, and none of their other credentials.
func withToken(config *api.Config, token string) *api.Config {
	return withUsers(config, api.AuthInfo{Token: token})
}

// withPlugin is a kubeconfig in which a credential plugin knows who the user is.
func withPlugin(config *api.Config, command string) *api.Config {
	return withUsers(config, api.AuthInfo{Exec: &api.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", Command: command, InteractiveMode: api.IfAvailableExecInteractiveMode,
	}})
}

func withUsers(config *api.Config, user api.AuthInfo) *api.Config {
	config = config.DeepCopy()
	for name := range config.AuthInfos {
		config.AuthInfos[name] = user.DeepCopy()
	}
	return config
}

// withServer is a kubeconfig whose clusters are at another address.
func withServer(config *api.Config, server string) *api.Config {
	config = config.DeepCopy()
	for _, cluster := range config.Clusters {
		cluster.Server = server
	}
	return config
}

// spoiled is a token whose signature is wrong. It differs in the signature's first character: the last
// one has bits that do not count.
func spoiled(token string) string {
	at := strings.LastIndex(token, ".") + 1
	if at >= len(token) {
		return token + "x"
	}
	first := "x"
	if token[at] == 'x' {
		first = "y"
	}
	return token[:at] + first + token[at+1:]
}

// pluginScript is a credential plugin that runs a command before it gives a token.
func pluginScript(command, token string) string {
	return "#!/bin/sh\n" + command + "\n" +
		`echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"` + token + `"}}'` + "\n"
}

var roleNames = regexp.MustCompile(`(?m)^( +name(?:space)?): procns$`)

// withoutRule is what -print-rbac prints, under another name and without the rule for a resource.
func withoutRule(manifest, resource, name string) (string, error) {
	rule := regexp.MustCompile(`(?m)^- apiGroups: .*\n  resources: \[` + regexp.QuoteMeta(resource) + `\]\n  verbs: .*\n`)
	if found := len(rule.FindAllString(manifest, -1)); found != 1 {
		return "", fmt.Errorf("the printed permissions have %d rules for %s, expected one", found, resource)
	}
	return roleNames.ReplaceAllString(rule.ReplaceAllString(manifest, ""), "${1}: "+name), nil
}

// countLiving counts the pods of a list, as kubectl prints it in JSON, that are not being deleted.
func countLiving(pods string) (int, error) {
	var list struct {
		Items []struct {
			Metadata struct {
				DeletionTimestamp string `json:"deletionTimestamp"`
			} `json:"metadata"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(pods), &list); err != nil {
		return 0, fmt.Errorf("not a list of pods: %w", err)
	}
	n := 0
	for _, pod := range list.Items {
		if pod.Metadata.DeletionTimestamp == "" {
			n++
		}
	}
	return n, nil
}

// suitePod is the manifest of a pod that runs the suite with these arguments, under the printed permissions.
func suitePod(image string, arguments []string) (string, error) {
	list, err := json.Marshal(arguments) // which is YAML, too
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: suite, namespace: procns}
spec:
  serviceAccountName: procns
  restartPolicy: Never
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: suite
    image: %s
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    imagePullPolicy: Never
    args: %s
    volumeMounts: [{name: reports, mountPath: /reports}]
  volumes: [{name: reports, emptyDir: {}}]
`, image, list), err
}
