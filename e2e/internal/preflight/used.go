package preflight

import (
	"net/http"
	"slices"
	"strings"
)

// Use is what a request needs a permission for, as the authorizer sees it.
type Use struct{ Verb, Group, Resource string }

func (u Use) String() string {
	return Question{Permission: Permission{Group: u.Group, Resource: u.Resource}, Verb: u.Verb}.Name()
}

// UseOf reads a request to the API server. What is not about resources (/version,
// /openapi) needs what every user has, and is no use.
func UseOf(r *http.Request) (Use, bool) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var u Use
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		u.Group, parts = parts[1], parts[3:]
	default:
		return u, false
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	u.Resource = parts[0]
	if len(parts) > 2 {
		u.Resource += "/" + parts[2]
	}
	named := len(parts) > 1
	switch r.Method {
	case http.MethodPost:
		u.Verb = "create"
	case http.MethodPut:
		u.Verb = "update"
	case http.MethodPatch:
		u.Verb = "patch"
	case http.MethodDelete:
		u.Verb = choose(named, "delete", "deletecollection")
	default:
		watch := r.URL.Query().Get("watch")
		u.Verb = choose(watch == "1" || watch == "true", "watch", choose(named, "get", "list"))
	}
	return u, true
}

func choose(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// forgone is what is asked for in vain where only the list is granted.
var forgone = []Use{
	// kubelet's metrics, for the report only: who may read them through the proxy
	// may do much else.
	{"get", "", "nodes/proxy"},
	// Every user may ask what it may do.
	{"create", "authorization.k8s.io", "selfsubjectaccessreviews"},
}

// Unlisted are the uses that the list of permissions lacks.
func Unlisted(uses []Use, needs Needs) []Use {
	listed := Permissions(needs)
	var lacking []Use
	for _, u := range uses {
		covers := func(p Permission) bool {
			return p.Group == u.Group && p.Resource == u.Resource && slices.Contains(p.Verbs, u.Verb)
		}
		secret := needs.SecretFrom != "" && u == Use{"get", "", "secrets"}
		if !slices.ContainsFunc(listed, covers) && !slices.Contains(forgone, u) && !secret {
			lacking = append(lacking, u)
		}
	}
	slices.SortFunc(lacking, func(a, b Use) int { return strings.Compare(a.String(), b.String()) })
	return lacking
}
