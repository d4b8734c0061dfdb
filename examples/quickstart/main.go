// Quickstart is the small service that Afloat's first steps protect; see
// package sample for how it behaves. Run it with:
//
//	PORT=9001 go run ./examples/quickstart
package main

import (
	"os"

	"github.com/afloat-dev/afloat/internal/sample"
)

func main() {
	os.Exit(sample.Main(os.Args[1:], os.Stderr))
}
