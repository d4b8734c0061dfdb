package config

import (
	"cmp"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// applyBalance says how endpoints are picked.
func (a *assembler) applyBalance(name string, s *gateway.ServiceConfig, lb *istio.LoadBalancer, at place) {
	if lb == nil {
		return
	}
	if s.Balance == "" {
		switch lb.Simple {
		case istio.LBRoundRobin:
			s.Balance = gateway.BalanceRoundRobin
		case istio.LBRandom:
			s.Balance = gateway.BalanceRandom
		default:
			s.Balance = gateway.BalanceLeastLoaded
		}
		if h := lb.ConsistentHash; h != nil {
			a.applyHash(s, h, at.at("consistentHash"))
		}
		a.places.set(at.at("simple"), "services", name, "balance")
		a.places.set(at.at("consistentHash"), "services", name, "hash")
	}
	if warmup := lb.WarmupDuration; s.Warmup == 0 {
		if lb.Warmup != nil {
			warmup = lb.Warmup.Duration
		}
		s.Warmup = warmup
		a.places.set(at.at("warmup", "duration"), "services", name, "warmup")
	}
	if l := lb.Locality; l != nil && l.Enabled != nil && !*l.Enabled {
		s.IgnoreZones = true
	}
}

func (a *assembler) applyHash(s *gateway.ServiceConfig, h *istio.ConsistentHash, at place) {
	s.Balance = gateway.BalanceRingHash
	if h.Maglev != nil {
		s.Balance = gateway.BalanceMaglev
	}
	s.Hash = gateway.HashConfig{Header: h.HTTPHeaderName, Query: h.HTTPQueryParameterName, LoadFactor: -1} // as in Istio, whatever an endpoint has to do
	if c := h.HTTPCookie; c != nil {
		s.Hash.Cookie = c.Name
		if c.TTL > 0 {
			a.report(at.at("httpCookie", "ttl").warning("ignored: Afloat sets no cookie for this, so that a client without one goes anywhere", "write sticky: {cookie: "+c.Name+"} for a route in an afloat.yaml"))
		}
	}
}

// applyTLS says how endpoints are spoken to.
func (a *assembler) applyTLS(name string, s *gateway.ServiceConfig, t *istio.ClientTLS, at place) {
	if t == nil || s.TLS != nil || t.Mode == "" || t.Mode == "DISABLE" {
		return
	}
	out := &gateway.UpstreamTLSConfig{CA: t.CACertificates, ServerName: t.SNI, Cert: t.ClientCertificate, Key: t.PrivateKey, InsecureSkipVerify: t.InsecureSkipVerify}
	for _, san := range t.SubjectAltNames {
		if strings.HasPrefix(san, "spiffe://") {
			out.ServerIDs = append(out.ServerIDs, gateway.SPIFFEPattern(san))
		} else {
			out.ServerName = cmp.Or(out.ServerName, san)
		}
	}
	s.TLS = out
	a.places.set(at, "services", name, "tls")
	for field, theirs := range map[string]string{"ca": "caCertificates", "serverName": "sni", "cert": "clientCertificate", "key": "privateKey", "serverIDs": "subjectAltNames"} {
		a.places.set(at.at(theirs), "services", name, "tls", field)
	}
}
