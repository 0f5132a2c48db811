package simulated

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Requests counts what an API server was asked for, by kind: "create pods", "get pods/exec".
type Requests map[string]int

// event is what is read of a line of the audit log (audit.k8s.io/v1, Event).
type event struct {
	Stage     string `json:"stage"`
	Verb      string `json:"verb"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	User struct {
		Username string `json:"username"`
	} `json:"user"`
}

// ReadRequests counts the requests of a user in an audit log, each when it came. A last line without an end
// is left out: the server was writing it. Its error names the line that is no event.
func ReadRequests(log io.Reader, user string) (Requests, error) {
	all := Requests{}
	reader := bufio.NewReader(log)
	for number := 1; ; number++ {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("audit log, line %d: %w", number, err)
		}
		if e.Stage != "RequestReceived" || e.User.Username != user {
			continue
		}
		what := e.ObjectRef.Resource
		if e.ObjectRef.Subresource != "" {
			what += "/" + e.ObjectRef.Subresource
		}
		all[e.Verb+" "+cmp.Or(what, "(no resource)")]++
	}
}

// Sum is how many there are.
func (r Requests) Sum() int {
	sum := 0
	for _, n := range r {
		sum += n
	}
	return sum
}

// String lists them, the most frequent first.
func (r Requests) String() string {
	kinds := slices.SortedFunc(maps.Keys(r), func(a, b string) int { return cmp.Or(r[b]-r[a], strings.Compare(a, b)) })
	var parts []string
	for _, kind := range kinds {
		parts = append(parts, fmt.Sprintf("%d %s", r[kind], kind))
	}
	return strings.Join(parts, ", ")
}
