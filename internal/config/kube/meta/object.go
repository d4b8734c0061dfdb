// Package meta reads the part that all documents of Kubernetes and its
// extensions have in common: apiVersion, kind and metadata.
package meta

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// Object is what every document begins with; other structs inline it.
type Object struct {
	APIVersion string `yaml:"apiVersion" required:"true"`
	Kind       string `yaml:"kind" required:"true"`
	Metadata   Data   `yaml:"metadata" required:"true"`
}

// YAMLNotes lists what the cluster adds to a document that was read back.
func (Object) YAMLNotes() map[string]yamltree.Note {
	return map[string]yamltree.Note{"status": setByCluster}
}

// Data is the metadata that Afloat uses. Labels and annotations are carried
// along without a meaning of their own.
type Data struct {
	Name        string            `yaml:"name" required:"true"`
	Namespace   string            `yaml:"namespace"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// Space is the namespace: "default" where none is said, as in a cluster.
func (d Data) Space() string { return cmp.Or(d.Namespace, "default") }

var setByCluster = yamltree.Note{Severity: yamltree.Warning, Word: "ignored: a cluster sets it"}

// YAMLNotes lists the rest of ObjectMeta.
func (Data) YAMLNotes() map[string]yamltree.Note {
	notes := map[string]yamltree.Note{
		"generateName": {Severity: yamltree.Error, Word: "not supported: names are not made up here", Fix: "write name"},
		"finalizers":   {Severity: yamltree.Warning, Word: "ignored: nothing outside Afloat takes part in a deletion"},
	}
	for _, name := range []string{"selfLink", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
		"deletionGracePeriodSeconds", "ownerReferences", "clusterName", "managedFields"} {
		notes[name] = setByCluster
	}
	return notes
}

// Check reports a bad name, namespace, label or annotation key.
func (o Object) Check(doc *yamltree.Document) yamltree.Problems {
	var problems yamltree.Problems
	at := yamltree.Path{"metadata"}
	if name := o.Metadata.Name; name != "" && !IsName(name) {
		problems = append(problems, doc.ProblemAt(at.At("name"), strconv.Quote(name)+" is not a valid name",
			"write lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"))
	}
	if namespace := o.Metadata.Namespace; namespace != "" && !IsLabel(namespace) {
		problems = append(problems, doc.ProblemAt(at.At("namespace"), strconv.Quote(namespace)+" is not a valid namespace",
			"write at most 63 lower-case letters, digits and '-'"))
	}
	return append(problems, CheckLabels(doc, at.At("labels"), o.Metadata.Labels)...)
}

// CheckLabels reports label keys and values that Kubernetes would refuse.
func CheckLabels(doc *yamltree.Document, at yamltree.Path, labels map[string]string) yamltree.Problems {
	var problems yamltree.Problems
	for key, value := range labels {
		prefix, name, prefixed := strings.Cut(key, "/")
		if !prefixed {
			prefix, name = "", key
		}
		if prefixed && !IsName(prefix) || len(name) > 63 || !labelPattern.MatchString(name) {
			problems = append(problems, doc.ProblemAt(at.At(key), "not a valid label key", "write letters, digits, '-', '_' and '.', after an optional domain and '/'"))
		}
		if value != "" && (len(value) > 63 || !labelPattern.MatchString(value)) {
			problems = append(problems, doc.ProblemAt(at.At(key), strconv.Quote(value)+" is not a valid label value", "write at most 63 letters, digits, '-', '_' and '.'"))
		}
	}
	return problems
}

var (
	dnsLabelPattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	labelPattern    = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`)
)

// IsLabel tells whether text is a label of a domain name (RFC 1123): at most 63
// lower-case letters, digits and '-'.
func IsLabel(text string) bool { return len(text) <= 63 && dnsLabelPattern.MatchString(text) }

// IsName tells whether text is an object's name: labels separated by dots, at
// most 253 characters.
func IsName(text string) bool {
	if len(text) > 253 {
		return false
	}
	for _, label := range strings.Split(text, ".") {
		if !dnsLabelPattern.MatchString(label) {
			return false
		}
	}
	return true
}
