package gateway

import (
	"encoding/json"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8sprotobuf "k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

const protobuf = "application/vnd.kubernetes.protobuf"

// decoder knows pods and what makes them.
var decoder = func() runtime.Serializer {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // two types of one name
		}
	}
	return k8sprotobuf.NewSerializer(scheme, scheme)
}()

// inJSON is an object in the JSON form that came in the protobuf form, in which client-go writes
// those of Kubernetes' own types; nil where it cannot be read.
func inJSON(body []byte) []byte {
	object, kind, err := decoder.Decode(body, nil, nil)
	if err != nil {
		return nil
	}
	object.GetObjectKind().SetGroupVersionKind(*kind)
	text, err := json.Marshal(object)
	if err != nil {
		return nil
	}
	return text
}
