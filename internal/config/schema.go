package config

import _ "embed"

//go:generate go test -run TestSchemaIsThatOfTheStructs -update .

//go:embed afloat.schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of afloat.yaml, for editors.
// It is generated from the structs and their comments; docs has a copy.
func Schema() ([]byte, error) { return append([]byte(nil), schema...), nil }
