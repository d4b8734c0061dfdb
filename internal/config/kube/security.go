package kube

import (
	"strconv"

	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// Security is as whom a container runs.
type Security struct {
	RunAsUser                *int64        `yaml:"runAsUser" min:"0" max:"4294967294"`
	RunAsGroup               *int64        `yaml:"runAsGroup" min:"0" max:"4294967294"`
	RunAsNonRoot             *bool         `yaml:"runAsNonRoot"`
	AllowPrivilegeEscalation *bool         `yaml:"allowPrivilegeEscalation"`
	Capabilities             *capabilities `yaml:"capabilities"`
}

type capabilities struct {
	Add  []string `yaml:"add"`
	Drop []string `yaml:"drop"`
}

// podSecurity is that of all containers of a pod.
type podSecurity struct {
	RunAsUser    *int64 `yaml:"runAsUser" min:"0" max:"4294967294"`
	RunAsGroup   *int64 `yaml:"runAsGroup" min:"0" max:"4294967294"`
	RunAsNonRoot *bool  `yaml:"runAsNonRoot"`
}

// User and Group are numbers, or empty for those of Afloat.
func (s Security) User() string  { return number(s.RunAsUser) }
func (s Security) Group() string { return number(s.RunAsGroup) }

// NoNewPrivileges tells whether programs of the container must not gain any, as
// by a setuid bit.
func (s Security) NoNewPrivileges() bool {
	return s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation
}

func number(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

// within fills in what the pod says for all of its containers.
func (s Security) within(p podSecurity) Security {
	if s.RunAsUser == nil {
		s.RunAsUser = p.RunAsUser
	}
	if s.RunAsGroup == nil {
		s.RunAsGroup = p.RunAsGroup
	}
	if s.RunAsNonRoot == nil {
		s.RunAsNonRoot = p.RunAsNonRoot
	}
	return s
}

// security reports what would run with more rights than the document allows.
func (c *checker) security(at yamltree.Path, s Security, p podSecurity) {
	whole := s.within(p)
	if whole.RunAsNonRoot != nil && *whole.RunAsNonRoot && (whole.RunAsUser == nil || *whole.RunAsUser == 0) {
		here := at.At("runAsNonRoot")
		if s.RunAsNonRoot == nil {
			here = yamltree.Path{"spec", "template", "spec", "securityContext", "runAsNonRoot"}
		}
		c.Fail(here, "no image says which user that is, and Afloat's own may be root", "add runAsUser with a number other than 0")
	}
	if s.Capabilities == nil {
		return
	}
	if here := at.At("capabilities", "add"); len(s.Capabilities.Add) > 0 {
		c.Fail(here, "not supported yet: a replica has the capabilities of its user", "remove it")
	}
	if here := at.At("capabilities", "drop"); len(s.Capabilities.Drop) > 0 {
		c.Warn(here, "not enforced: a replica has the capabilities of its user", "")
	}
}

const plainProcess = "not enforced: replicas are plain processes"

func hardening() map[string]yamltree.Note {
	notes := map[string]yamltree.Note{}
	for _, name := range []string{"seccompProfile", "appArmorProfile", "seLinuxOptions"} {
		notes[name] = yamltree.Note{Severity: yamltree.Warning, Word: plainProcess}
	}
	notes["windowsOptions"] = meta.Refused("Afloat runs on Linux")
	return notes
}

// YAMLNotes lists the rest of SecurityContext.
func (Security) YAMLNotes() map[string]yamltree.Note {
	notes := hardening()
	notes["readOnlyRootFilesystem"] = meta.Unless(yamltree.Note{Severity: yamltree.Warning, Word: plainProcess}, "false")
	notes["procMount"] = meta.Unless(yamltree.Note{Severity: yamltree.Warning, Word: plainProcess}, "Default")
	notes["privileged"] = meta.Unless(meta.Refused("a replica has the rights of its user"), "false")
	return notes
}

// YAMLNotes lists the rest of PodSecurityContext.
func (podSecurity) YAMLNotes() map[string]yamltree.Note {
	notes := hardening()
	notes["fsGroup"] = meta.Ignored("nothing is mounted")
	notes["fsGroupChangePolicy"] = meta.Ignored("nothing is mounted")
	notes["seLinuxChangePolicy"] = meta.Ignored("nothing is mounted")
	notes["supplementalGroups"] = meta.Refused("a replica has the groups of its user on this machine")
	notes["supplementalGroupsPolicy"] = meta.Refused("a replica has the groups of its user on this machine")
	notes["sysctls"] = meta.Refused("the kernel is that of the whole machine")
	return notes
}
