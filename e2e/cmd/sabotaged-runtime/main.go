// Command sabotaged-runtime is what `make sabotage` puts into nodes. Called by the name of
// a mutant, it stands in front of runc; in the place of a sandbox's pause it is a broken
// one; and it serves the admission webhook:
//
//	sabotaged-runtime webhook ADDRESS CERTIFICATE KEY
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"procns/e2e/internal/sabotage/mutants"
	"procns/e2e/internal/sabotage/webhook"
	"procns/e2e/internal/sabotage/wrapper"
)

func main() {
	if how := os.Getenv(wrapper.PauseVariable); how != "" {
		os.Exit(wrapper.Pause(how))
	}
	if pid := os.Getenv(wrapper.RelayVariable); pid != "" {
		os.Exit(wrapper.Relay(pid))
	}
	if len(os.Args) == 5 && os.Args[1] == "webhook" {
		fail(webhook.Serve(os.Args[2], os.Args[3], os.Args[4], mutants.Changes()))
	}
	name := filepath.Base(os.Args[0])
	mutant, ok := mutants.Named(name)
	if !ok || mutant.Runtime == nil {
		fail(fmt.Errorf("%q is no mutant that wraps a runtime", name))
	}
	runtime, err := wrapper.New(name, *mutant.Runtime)
	if err != nil {
		fail(err)
	}
	os.Exit(runtime.Call(os.Args[1:]))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "sabotaged-runtime:", err)
	os.Exit(1)
}
