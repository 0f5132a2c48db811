package cluster

import (
	"context"
	"errors"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"

	"procns/e2e/internal/preflight"
)

// apisAnswer asks which APIs the server has, as its namespace controller does
// before it deletes a namespace: while an aggregated one does not answer, no
// namespace can go. Every user may ask. Where there is no answer to that, nothing
// is said of it.
func apisAnswer(ctx context.Context, client kubernetes.Interface) []preflight.Check {
	const bound = 5 * time.Second // no run waits longer for a warning
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	_, _, err := discovery.ServerGroupsAndResourcesWithContext(ctx, discovery.ToDiscoveryInterfaceWithContext(client.Discovery()))
	var failed *discovery.ErrGroupDiscoveryFailed
	if err != nil && !errors.As(err, &failed) {
		return nil
	}
	down := map[string]error{}
	if failed != nil {
		for api, why := range failed.Groups {
			down[api.String()] = why
		}
	}
	return []preflight.Check{preflight.OfAPIs(down)}
}
