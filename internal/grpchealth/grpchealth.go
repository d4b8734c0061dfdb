// Package grpchealth holds the messages by which a server of gRPC is asked for its health. See
// https://github.com/grpc/grpc/blob/master/doc/health-checking.md.
package grpchealth

import (
	"encoding/binary"
	"errors"
)

// Path is that of the method, which is called by POST with Content-Type application/grpc.
const Path = "/grpc.health.v1.Health/Check"

// AnswerMax is how many bytes of an answer are worth reading; a good one has seven.
const AnswerMax = 64

// What an answer says, as field 1 of its message.
const (
	field   = 1 << 3 // of type varint
	serving = 1
)

// Request is a framed message with the service's name as its first field; an empty one asks for the server as a whole.
func Request(service string) []byte {
	var message []byte
	if service != "" {
		message = append(binary.AppendUvarint([]byte{1<<3 | 2}, uint64(len(service))), service...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// Answer returns nil where a framed message says that the service is serving.
func Answer(framed []byte) error {
	const frame = 5
	if len(framed) < frame || framed[0] != 0 || int(binary.BigEndian.Uint32(framed[1:])) != len(framed)-frame {
		return errors.New(Path + " answered what is no message")
	}
	message := framed[frame:]
	if len(message) == 2 && message[0] == field && message[1] == serving {
		return nil
	}
	return errors.New("the service says that it is not serving")
}
