// Command kind-default-image prints the node image that this version of kind would use on its own.
package main

import (
	"fmt"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"
)

func main() {
	fmt.Println(defaults.Image)
}
