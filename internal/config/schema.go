package config

import _ "embed"

//go:generate go run ./schemagen

//go:embed afloat.schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of afloat.yaml.
func Schema() ([]byte, error) { return schema, nil }
