// Command grafana writes the dashboards beside it: go generate ./deploy/grafana.
// Import the files into Grafana; they work with Afloat itself as the data source
// as well as with a Prometheus that scrapes it.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

//go:generate go run .

func main() {
	dir := flag.String("dir", ".", "the folder for the files")
	flag.Parse()
	for name, d := range dashboards() {
		text, err := encode(d)
		if err == nil {
			err = os.WriteFile(filepath.Join(*dir, name), text, 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "grafana:", err)
			os.Exit(1)
		}
	}
}

func encode(d *dashboard) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(d)
	return out.Bytes(), err
}
