// Package webhook is a mutating admission webhook that changes what it should leave alone.
// Which mutant a request is for, the pod's runtime class tells.
package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"time"

	"procns/e2e/internal/sabotage/changes"
)

// Handler answers AdmissionReviews with the changes of the mutants, by their names.
func Handler(mutants map[string]changes.Change) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const most = 4 << 20 // the API server's own limit for a request is below
		text, err := io.ReadAll(io.LimitReader(r.Body, most))
		if err == nil {
			text, err = answer(text, mutants)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	})
}

// Serve answers until it fails. systemd is told when it listens.
func Serve(address, certificate, key string, mutants map[string]changes.Change) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if err := notify(os.Getenv("NOTIFY_SOCKET")); err != nil {
		return err
	}
	server := &http.Server{Handler: Handler(mutants), ReadHeaderTimeout: 10 * time.Second}
	return server.ServeTLS(listener, certificate, key)
}

// notify is sd_notify(3): a socket whose name begins with @ is an abstract one.
func notify(socket string) error {
	if socket == "" {
		return nil
	}
	connection, err := net.Dial("unixgram", socket)
	if err != nil {
		return err
	}
	_, err = connection.Write([]byte("READY=1"))
	return errors.Join(err, connection.Close())
}

// review is admission.k8s.io/v1's AdmissionReview, as far as it is needed here.
type review struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Request    *struct {
		UID         string `json:"uid"`
		Operation   string `json:"operation"`
		SubResource string `json:"subResource"`
		Resource    struct {
			Resource string `json:"resource"`
		} `json:"resource"`
		Object    map[string]any `json:"object"`
		OldObject map[string]any `json:"oldObject"`
	} `json:"request,omitempty"`
	Response *response `json:"response,omitempty"`
}

type response struct {
	UID       string `json:"uid"`
	Allowed   bool   `json:"allowed"`
	Patch     []byte `json:"patch,omitempty"` // base64 in JSON
	PatchType string `json:"patchType,omitempty"`
}

func answer(text []byte, mutants map[string]changes.Change) ([]byte, error) {
	var in review
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("no AdmissionReview: %w", err)
	}
	if in.Request == nil {
		return nil, errors.New("an AdmissionReview without a request")
	}
	out := review{APIVersion: in.APIVersion, Kind: in.Kind, Response: &response{UID: in.Request.UID, Allowed: true}}
	pointer, pod := changes.PodSpec(in.Request.Object)
	if pod == nil {
		return json.Marshal(out)
	}
	class, _ := pod["runtimeClassName"].(string)
	change := mutants[class]
	if change == nil {
		return json.Marshal(out)
	}
	resource := in.Request.Resource.Resource
	if in.Request.SubResource != "" {
		resource += "/" + in.Request.SubResource
	}
	untouched, err := clone(in.Request.Object)
	if err != nil {
		return nil, err
	}
	_, old := changes.PodSpec(in.Request.OldObject)
	status := changes.Part(in.Request.Object, "status")
	change(changes.Request{Operation: in.Request.Operation, Resource: resource, Pod: pod, Old: old, Status: status})
	var patch []map[string]any
	if _, was := changes.PodSpec(untouched); !reflect.DeepEqual(was, pod) {
		patch = append(patch, map[string]any{"op": "replace", "path": pointer, "value": pod})
	}
	if !reflect.DeepEqual(changes.Part(untouched, "status"), status) {
		patch = append(patch, map[string]any{"op": "replace", "path": "/status", "value": status})
	}
	if len(patch) > 0 {
		out.Response.PatchType = "JSONPatch"
		if out.Response.Patch, err = json.Marshal(patch); err != nil {
			return nil, err
		}
	}
	return json.Marshal(out)
}

func clone(object map[string]any) (map[string]any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var same map[string]any
	return same, json.Unmarshal(text, &same)
}
