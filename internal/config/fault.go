package config

import (
	"github.com/afloat-dev/afloat/internal/config/yamltree"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// ParseFault reads what a file says under fault, such as
// {abort: {share: 1%}}. Problems name it by the source's name.
func ParseFault(s Source) (gateway.FaultConfig, error) {
	var c gateway.FaultConfig
	documents, err := yamltree.Parse(s.Name, s.Data)
	if err != nil || len(documents) == 0 {
		return c, err
	}
	return c, documents[0].Decode(&c, yamltree.Options{Verbatim: true}).Err()
}
