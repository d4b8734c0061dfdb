package kube

import "reflect"

// DeploymentFile is the struct that a Deployment is decoded into.
var DeploymentFile = reflect.TypeFor[deploymentFile]()
