package cases

import (
	"context"
	"encoding/json"
	"time"

	"procns/e2e/internal/suite"
)

// The acts of admission: requests to the API server.

// asTemplates submits the manifest's pod as the template of each workload.
var asTemplates = &suite.Act{
	Name: "as-templates",
	Do: func(ctx context.Context, pod suite.PodClient) error {
		for _, w := range workloads {
			body, err := w.of(pod.Manifest())
			if err != nil {
				return err
			}
			if err := askApart(ctx, pod, w.kind, suite.Request{
				Verb: "POST", API: w.api, Path: w.resource, Query: map[string]string{"dryRun": "All"}, Body: body,
			}); err != nil {
				return err
			}
		}
		return nil
	},
}

// workload is a kind of object that makes pods of a template.
type workload struct{ kind, api, resource string }

var workloads = []workload{
	{"Deployment", "apps/v1", "deployments"},
	{"ReplicaSet", "apps/v1", "replicasets"},
	{"StatefulSet", "apps/v1", "statefulsets"},
	{"DaemonSet", "apps/v1", "daemonsets"},
	{"Job", "batch/v1", "jobs"},
	{"CronJob", "batch/v1", "cronjobs"},
}

// of is the workload with the pod as its template.
func (w workload) of(pod map[string]any) ([]byte, error) {
	labels := map[string]any{"app": "procns"}
	podSpec := specOf(pod)
	template := map[string]any{"metadata": map[string]any{"labels": labels}, "spec": podSpec}
	spec := map[string]any{"template": template}
	switch w.kind {
	case "Job", "CronJob":
		podSpec["restartPolicy"] = "Never" // theirs may not restart always
	default:
		spec["selector"] = map[string]any{"matchLabels": labels}
	}
	if w.kind == "CronJob" {
		spec = map[string]any{"schedule": "0 0 1 1 *", "jobTemplate": map[string]any{"spec": spec}}
	}
	return json.Marshal(map[string]any{
		"apiVersion": w.api, "kind": w.kind, "metadata": map[string]any{"name": metadataOf(pod)["name"]}, "spec": spec,
	})
}

// misspell submits the manifest's pod with its field spelled otherwise. A pod
// without the field is submitted as it is.
var misspell = &suite.Act{
	Name: "misspell",
	Do: func(ctx context.Context, pod suite.PodClient) error {
		for _, spelling := range []struct {
			name, validation, field string
			value                   any
		}{
			{"text", "", fieldName, "true"},
			{"number", "", fieldName, 1},
			{"null", "", fieldName, nil},
			{"strict", "Strict", misspeltName, true},
			{"warn", "Warn", misspeltName, true},
			{"ignore", "Ignore", misspeltName, true},
		} {
			manifest := pod.Manifest()
			if spec := specOf(manifest); spec[fieldName] != nil {
				delete(spec, fieldName)
				spec[spelling.field] = spelling.value
			}
			query := map[string]string{"dryRun": "All"}
			if spelling.validation != "" {
				query["fieldValidation"] = spelling.validation
			}
			body, err := json.Marshal(manifest)
			if err != nil {
				return err
			}
			if err := askApart(ctx, pod, spelling.name, suite.Request{Verb: "POST", Path: "pods", Query: query, Body: body}); err != nil {
				return err
			}
		}
		return nil
	},
}

// changeField tries to change the field of a running pod in every way there is.
// Last it changes a label, which is allowed: this shows that updates arrive at
// the pod, and what became of the field.
var changeField = &suite.Act{
	Name:   "change-the-field",
	Within: 30 * time.Second,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		for _, u := range []update{
			{name: "merge-absent", form: mergePatch, value: nil},
			{name: "merge-false", form: mergePatch, value: false},
			{name: "merge-true", form: mergePatch, value: true},
			{name: "strategic-absent", form: strategicPatch, value: nil},
			{name: "apply-false", form: applyPatch, value: false},
			{name: "apply-true", form: applyPatch, value: true},
			{name: "replace-absent", form: replacement, value: nil},
			{name: "replace-true", form: replacement, value: true},
			{name: "status-false", form: mergePatch, value: false, subresource: "/status"},
			{name: "ephemeral-false", form: mergePatch, value: false, subresource: "/ephemeralcontainers"},
			{name: "resize-false", form: mergePatch, value: false, subresource: "/resize"},
		} {
			if err := u.send(ctx, pod); err != nil {
				return err
			}
		}
		path := "pods/" + pod.Before().Pod.Name
		if err := askApart(ctx, pod, "label", suite.Request{
			Verb: "PATCH", Path: path, ContentType: mergePatch, Body: []byte(`{"metadata":{"labels":{"procns.test/updated":"yes"}}}`),
		}); err != nil {
			return err
		}
		return askApart(ctx, pod, "protobuf", suite.Request{Verb: "GET", Path: path, Accept: "application/vnd.kubernetes.protobuf"})
	},
}

// changeGatedField does the like to a pod that waits at a scheduling gate. Last
// it changes what may be changed on such pods only.
var changeGatedField = &suite.Act{
	Name: "change-the-field",
	Do: func(ctx context.Context, pod suite.PodClient) error {
		for _, u := range []update{
			{name: "merge-absent", form: mergePatch, value: nil},
			{name: "merge-false", form: mergePatch, value: false},
			{name: "merge-true", form: mergePatch, value: true},
			{name: "replace-absent", form: replacement, value: nil},
			{name: "replace-true", form: replacement, value: true},
		} {
			if err := u.send(ctx, pod); err != nil {
				return err
			}
		}
		return askApart(ctx, pod, "node-selector", suite.Request{
			Verb: "PATCH", Path: "pods/" + pod.Before().Pod.Name, ContentType: mergePatch,
			Body: []byte(`{"spec":{"nodeSelector":{"procns.test/nowhere":"yes"}}}`),
		})
	},
}

// update is an attempt to give the field another value; nil removes it.
type update struct {
	name, form, subresource string
	value                   any
}

func (u update) send(ctx context.Context, pod suite.PodClient) error {
	name := pod.Before().Pod.Name
	request := suite.Request{Verb: "PATCH", Path: "pods/" + name + u.subresource, ContentType: u.form}
	content := map[string]any{"spec": map[string]any{fieldName: u.value}}
	switch u.form {
	case applyPatch:
		content["apiVersion"], content["kind"], content["metadata"] = "v1", "Pod", map[string]any{"name": name}
		request.Query = map[string]string{"fieldManager": "procns-apply", "force": "true"}
	case replacement:
		request.Verb = "PUT"
		content = pod.Stored()
		delete(metadataOf(content), "resourceVersion") // whatever happened to the pod meanwhile
		delete(specOf(content), fieldName)
		if u.value != nil {
			specOf(content)[fieldName] = u.value
		}
	}
	var err error
	if request.Body, err = json.Marshal(content); err != nil {
		return err
	}
	return askApart(ctx, pod, u.name, request)
}

// askApart sends a request as an experiment of its own name.
func askApart(ctx context.Context, pod suite.PodClient, name string, request suite.Request) error {
	return pod.Apart(ctx, name, func(ctx context.Context) error {
		_, err := pod.Request(ctx, name, request)
		return err
	})
}

// readReference reads what the server's OpenAPI document says of the field.
var readReference = &suite.Act{
	Name: "read-the-reference",
	Do: func(ctx context.Context, pod suite.PodClient) error {
		_, err := pod.Request(ctx, "reference", suite.Request{Verb: "GET", Path: "/openapi/v3/api/v1", Keep: descriptionOfField})
		return err
	},
}

// descriptionOfField is the field's text in the OpenAPI document of the API's
// group "v1"; empty where the document has no such field.
func descriptionOfField(document string) string {
	var content struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Description string }
			}
		}
	}
	if err := json.Unmarshal([]byte(document), &content); err != nil {
		return ""
	}
	return content.Components.Schemas["io.k8s.api.core.v1.PodSpec"].Properties[fieldName].Description
}

// inspectSandbox has the node's own crictl tell which PID mode the pod's sandbox
// was asked for with.
var inspectSandbox = &suite.Act{
	Name:   "inspect-sandbox",
	Spares: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		if ready, err := pod.Await(ctx, soon, "Ready", func(p suite.PodState) bool { return p.Ready }); err != nil || !ready {
			return err
		}
		const inspect = `crictl --timeout 60s inspectp -o go-template --template '{{.status.linux.namespaces.options.pid}}' "$(crictl --timeout 60s pods -q --name "^$1\$")"`
		_, err := pod.Node(ctx, "inspect", withCRI(pod, "sh", "-c", inspect, "inspect", pod.Before().Pod.Name)...)
		return err
	},
}
