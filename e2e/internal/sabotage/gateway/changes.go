package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// touched marks, in a request's context, an answer that is to be edited.
type touched struct{}

func withValue(r *http.Request, sent []byte) context.Context {
	return context.WithValue(r.Context(), touched{}, sent)
}

const (
	field    = "shareProcessNamespace"
	misspelt = "sharedProcessNamespace"
)

// Lenient is a gateway that reads what it is given with types of its own, which take
// anything for a truth value, and guess what a misspelt name stands for.
func Lenient() *Gateway {
	return &Gateway{Object: func(r *http.Request, object map[string]any) {
		spec, _ := object["spec"].(map[string]any)
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/pods") || spec == nil {
			return
		}
		if value, ok := spec[misspelt]; ok {
			delete(spec, misspelt)
			spec[field] = value
		}
		switch value := spec[field].(type) {
		case string:
			spec[field] = value == "true"
		case float64:
			spec[field] = value != 0
		case nil:
			if _, ok := spec[field]; ok {
				spec[field] = false
			}
		}
	}}
}

var (
	reference   = "/openapi/v3/api/v1"
	subresource = regexp.MustCompile(`/pods/[^/]+/(status|ephemeralcontainers|resize)$`)
	onePod      = regexp.MustCompile(`/pods/[^/]+$`)
)

// Stale is a gateway that answers from what it knows itself: with the reference of an older
// server, with what was sent to a subresource as if all of it had been stored, and in the
// protobuf form with types that do not have the field.
func Stale() *Gateway {
	binary := func(r *http.Request) bool {
		return r.Method == http.MethodGet && onePod.MatchString(r.URL.Path) && r.Header.Get("Accept") == protobuf
	}
	written := func(r *http.Request) bool { return r.Method != http.MethodGet && subresource.MatchString(r.URL.Path) }
	return &Gateway{
		Touches: func(r *http.Request) bool { return r.URL.Path == reference || binary(r) || written(r) },
		Answer: func(r *http.Request, sent, body []byte) []byte {
			switch {
			case r.URL.Path == reference:
				return olderReference(body)
			case binary(r):
				return withoutField(body)
			}
			return asSent(sent, body)
		},
	}
}

// olderReference replaces the field's text.
func olderReference(document []byte) []byte {
	var content map[string]any
	if json.Unmarshal(document, &content) != nil {
		return document
	}
	at := content
	for _, step := range []string{"components", "schemas", "io.k8s.api.core.v1.PodSpec", "properties", field} {
		at, _ = at[step].(map[string]any)
	}
	if at == nil {
		return document
	}
	at["description"] = "Share a single process namespace between all of the containers in a pod."
	return encoded(content, document)
}

// asSent gives the answer the field as it was sent.
func asSent(sent, body []byte) []byte {
	var was, is map[string]any
	if json.Unmarshal(sent, &was) != nil || json.Unmarshal(body, &is) != nil {
		return body
	}
	from, _ := was["spec"].(map[string]any)
	into, _ := is["spec"].(map[string]any)
	if value, ok := from[field]; ok && into != nil {
		into[field] = value
	}
	return encoded(is, body)
}

func encoded(content map[string]any, otherwise []byte) []byte {
	text, err := json.Marshal(content)
	if err != nil {
		return otherwise
	}
	return text
}

// The numbers of fields in Kubernetes' protobuf form: runtime.Unknown's raw, Pod's spec and
// PodSpec's shareProcessNamespace. In front stand four bytes.
const (
	magic       = "k8s\x00"
	rawNumber   = 2
	specNumber  = 2
	shareNumber = 27
)

// withoutField removes the field from a pod in the protobuf form.
func withoutField(body []byte) []byte {
	message, ok := strings.CutPrefix(string(body), magic)
	if !ok {
		return body
	}
	return append([]byte(magic), remove([]byte(message), rawNumber, specNumber, shareNumber)...)
}

// remove removes what stands at the end of a path of field numbers. What cannot be read
// stays as it is.
func remove(message []byte, path ...protowire.Number) []byte {
	var out []byte
	for rest := message; len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return message
		}
		m := protowire.ConsumeFieldValue(number, kind, rest[n:])
		if m < 0 {
			return message
		}
		whole, value := rest[:n+m], rest[n:n+m]
		rest = rest[n+m:]
		switch {
		case number != path[0]:
			out = append(out, whole...)
		case len(path) == 1: // removed
		case kind == protowire.BytesType:
			inner, _ := protowire.ConsumeBytes(value)
			out = protowire.AppendBytes(protowire.AppendTag(out, number, kind), remove(inner, path[1:]...))
		default:
			out = append(out, whole...)
		}
	}
	return out
}
