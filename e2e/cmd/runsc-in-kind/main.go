// Command runsc-in-kind stands in front of gVisor's runsc in a node of kind, and takes the control
// group out of what a container is created with: in such a node the hierarchies are mounted from
// their middle, and runsc fails to find its own place in them ("Rel: can't make
// ../system.slice/containerd.service relative to /kubelet.slice"), even when it is told to ignore
// control groups. runsc is in the same folder.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"procns/e2e/internal/sabotage/oci"
)

func main() {
	fmt.Fprintln(os.Stderr, "runsc-in-kind:", call(os.Args))
	os.Exit(1)
}

// call becomes runsc, and returns only if it cannot.
func call(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := prepare(args[1:]); err != nil {
		return err
	}
	return syscall.Exec(filepath.Join(filepath.Dir(self), "runsc"), args, os.Environ())
}

// prepare edits the bundle of a container that is about to be created.
func prepare(args []string) error {
	command := oci.ParseCommand(args)
	if command.Name != "create" && command.Name != "run" {
		return nil
	}
	// Without the flag, the bundle is the current folder.
	return oci.EditFile(filepath.Join(command.Flag("bundle"), "config.json"), func(config oci.Object) error {
		if linux, ok := config["linux"].(map[string]any); ok {
			delete(linux, "cgroupsPath")
		}
		return nil
	})
}
