package gateway

import (
	"net/http"
	"path"
	"regexp"
	"sync"

	"procns/e2e/internal/sabotage/changes"
)

// Gateways that stand for a broken API server: no webhook and no policy of the cluster has done what
// they do, so that the server itself is to be judged.

// created is the path of a new pod or workload; the resource is its group.
var created = regexp.MustCompile(`^/(?:api|apis/[^/]+)/v1/namespaces/[^/]+/([a-z]+)$`)

// Server is an API server that stores something else than it was sent.
func Server(change changes.Change) *Gateway {
	return &Gateway{Object: func(r *http.Request, object map[string]any) {
		found := created.FindStringSubmatch(r.URL.Path)
		if r.Method != http.MethodPost || found == nil {
			return
		}
		if _, spec := changes.PodSpec(object); spec != nil {
			change(changes.Request{Operation: "CREATE", Resource: found[1], Pod: spec})
		}
	}}
}

// Unvalidated is an API server that takes what is invalid: a new object is answered as it was sent, and
// a change as if it had been made, though it has not.
func Unvalidated() *Gateway { return taking(regexp.MustCompile(`"code": ?422\b`)) }

// PassingPtrace is an API server whose levels of the Pod Security Standards let SYS_PTRACE
// pass. (One that enforces no level at all is seen for that, and judged by none.)
func PassingPtrace() *Gateway { return taking(regexp.MustCompile(`violates PodSecurity.*SYS_PTRACE`)) }

// taking is an API server that takes what it should refuse with certain words.
func taking(what *regexp.Regexp) *Gateway {
	return &Gateway{Refused: func(r *http.Request, said string, sent []byte, stored func() ([]byte, error)) (int, []byte, error) {
		switch {
		case !what.MatchString(said):
			return 0, nil, nil
		case r.Method == http.MethodPost:
			return http.StatusCreated, sent, nil
		}
		body, err := stored()
		return http.StatusOK, body, err
	}}
}

var (
	execInPod = regexp.MustCompile(`^(/api/v1/namespaces/[^/]+/pods/[^/]+)/exec$`)
	session   = regexp.MustCompile(`^/tmp/session-`) // the argument of the suite's sessions by exec
)

// Draining is the API server of a cluster that is being drained: a pod in which a session is open is
// deleted when an exec is asked for in another of its containers. Into a pod that is being deleted,
// whoever did it, there is no exec any more.
func Draining() *Gateway {
	var mu sync.Mutex
	open, ending := map[string]string{}, map[string]bool{} // by the pod's path; open has the session's container
	return &Gateway{Refuse: func(r *http.Request, send func(method, path string) error) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if r.Method == http.MethodDelete && path.Base(path.Dir(r.URL.Path)) == "pods" {
			ending[r.URL.Path] = true
			return "", nil
		}
		found := execInPod.FindStringSubmatch(r.URL.Path)
		if found == nil {
			return "", nil
		}
		pod, query := found[1], r.URL.Query()
		for _, argument := range query["command"] {
			if session.MatchString(argument) {
				open[pod] = query.Get("container")
			}
		}
		if in := open[pod]; in != "" && in != query.Get("container") && !ending[pod] {
			if err := send(http.MethodDelete, pod); err != nil {
				return "", err
			}
			ending[pod] = true
		}
		if ending[pod] {
			return "exec: the container is being stopped", nil
		}
		return "", nil
	}}
}
