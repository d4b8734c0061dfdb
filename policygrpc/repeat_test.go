package policygrpc

import (
	"fmt"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// definitions counts them, since they cannot be taken back.
var definitions atomic.Int32

// define registers a service of a package as generated code does.
func define(t *testing.T, name string) {
	t.Helper()
	method := func(name string, level descriptorpb.MethodOptions_IdempotencyLevel) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{Name: &name, InputType: proto.String(".google.protobuf.Empty"), OutputType: proto.String(".google.protobuf.Empty"),
			Options: &descriptorpb.MethodOptions{IdempotencyLevel: &level}}
	}
	plain := method("Order", 0)
	plain.Options = nil
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String(name + ".proto"), Package: proto.String(name), Syntax: proto.String("proto3"),
		Dependency: []string{emptypb.File_google_protobuf_empty_proto.Path()},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Shop"), Method: []*descriptorpb.MethodDescriptorProto{
			method("Get", descriptorpb.MethodOptions_NO_SIDE_EFFECTS),
			method("Put", descriptorpb.MethodOptions_IDEMPOTENT),
			method("Add", descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN),
			plain,
		}}},
	}, protoregistry.GlobalFiles)
	if err == nil {
		err = protoregistry.GlobalFiles.RegisterFile(file)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestMethodsAreIdempotentByTheirDefinition(t *testing.T) {
	name := fmt.Sprintf("afloat.test%d", definitions.Add(1))
	get := "/" + name + ".Shop/Get"
	if Idempotent(get) {
		t.Error("it is not defined yet")
	}
	define(t, name)
	for method, want := range map[string]bool{
		get:                               true,
		"/" + name + ".Shop/Put":          true,
		"/" + name + ".Shop/Add":          false,
		"/" + name + ".Shop/Order":        false,
		"/" + name + ".Shop/None":         false,
		"/" + name + ".Shop":              false,
		"/" + name + "/Shop":              false, // a service
		"/google.protobuf/Empty":          false, // a message
		"/grpc.health.v1.Health/Check":    false, // says nothing of it
		name + ".Shop/Get":                true,  // as a proxy may write it
		"/" + name + ".Shop/Get/and more": false,
		"":                                false,
		"//":                              false,
	} {
		for range 2 { // the second time from memory
			if got := Idempotent(method); got != want {
				t.Errorf("%q: %v", method, got)
			}
		}
	}
}

func TestWhatIsKnownOfMethodsIsBounded(t *testing.T) {
	i := idempotency{known: map[string]bool{}}
	for n := range methodsMax {
		i.known[fmt.Sprint(n)] = true
	}
	if i.idempotent("/grpc.testing.TestService/UnaryCall") || len(i.known) != methodsMax {
		t.Errorf("knows %d methods", len(i.known))
	}
	if i.idempotent("/nobody.has/defined"); len(i.known) != methodsMax {
		t.Errorf("knows %d methods", len(i.known))
	}
}
