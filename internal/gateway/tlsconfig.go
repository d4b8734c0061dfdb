package gateway

// TLSConfig is how a listener proves who it is, and which clients it takes.
// The files are read again when they change; connections go on.
type TLSConfig struct {
	// Cert is a file with the certificate, followed by those that lead to its
	// root, in PEM.
	Cert string `yaml:"cert"`
	// Key is a file with the certificate's private key, in PEM. Default: Cert
	// holds it too.
	Key string `yaml:"key"`
	// RenewFrom is the folder of the authority, made by afloat ca init, that
	// renews Cert when two thirds of its life are over. Default: something else
	// renews it.
	RenewFrom string `yaml:"renewFrom"`
	// Certificates are further ones. A client gets the first that is for the
	// name which it asks for, and else the first of all.
	Certificates []CertificateConfig `yaml:"certificates"`
	// ACME has certificates issued, which come after these. Default: none are.
	ACME *ACMEConfig `yaml:"acme"`
	// MinVersion is the oldest version that is spoken: 1.2 or 1.3. Default 1.2.
	MinVersion TLSVersion `yaml:"minVersion"`
	// ClientCA is a file with the certificates, in PEM, one of which must have
	// signed a client's. Default: clients are not asked for one.
	ClientCA string `yaml:"clientCA"`
	// ClientAuth is require, or optional to take clients without a certificate
	// too. Default require, where there is a ClientCA.
	ClientAuth ClientAuth `yaml:"clientAuth"`
	// ClientIDs are the SPIFFE IDs, of one trust domain, one of which a client's
	// certificate must be for; all below a path where one ends with /*. Default:
	// any certificate that ClientCA has signed will do.
	ClientIDs []SPIFFEPattern `yaml:"clientIDs"`
}

// CertificateConfig is a certificate and its private key.
type CertificateConfig struct {
	// Cert is a file with the certificate, followed by those that lead to its
	// root, in PEM.
	Cert string `yaml:"cert"`
	// Key is a file with the certificate's private key, in PEM. Default: Cert
	// holds it too.
	Key string `yaml:"key"`
	// RenewFrom is the folder of the authority, made by afloat ca init, that
	// renews Cert when two thirds of its life are over. Default: something else
	// renews it.
	RenewFrom string `yaml:"renewFrom"`
}

// UpstreamTLSConfig is how the endpoints of a service are spoken to over TLS.
// Its zero value trusts the certificates that this machine trusts.
type UpstreamTLSConfig struct {
	// CA is a file with the certificates, in PEM, one of which must have signed
	// an endpoint's. Default: those that this machine trusts.
	CA string `yaml:"ca"`
	// ServerName is the name that an endpoint's certificate must be for.
	// Default: the endpoint's host.
	ServerName string `yaml:"serverName"`
	// ServerIDs are the SPIFFE IDs, of one trust domain, one of which an
	// endpoint's certificate must be for, whatever its host name; all below a
	// path where one ends with /*. Default: the host name decides.
	ServerIDs []SPIFFEPattern `yaml:"serverIDs"`
	// Cert is a file with the certificate that Afloat shows, in PEM. Default:
	// none.
	Cert string `yaml:"cert"`
	// Key is a file with its private key, in PEM. Default: Cert holds it too.
	Key string `yaml:"key"`
	// RenewFrom is the folder of the authority, made by afloat ca init, that
	// renews Cert when two thirds of its life are over. Default: something else
	// renews it.
	RenewFrom string `yaml:"renewFrom"`
	// MinVersion is the oldest version that is spoken: 1.2 or 1.3. Default 1.2.
	MinVersion TLSVersion `yaml:"minVersion"`
	// InsecureSkipVerify takes any certificate, so that anyone in between can
	// read and change everything.
	InsecureSkipVerify bool `yaml:"insecureSkipVerify"`
}

// TLSVersion is a version of TLS, such as 1.2.
type TLSVersion string

// UnmarshalText takes any text, so that the number need not be quoted; whether
// it is a version is checked with the rest.
func (v *TLSVersion) UnmarshalText(text []byte) error {
	*v = TLSVersion(text)
	return nil
}

// ClientAuth says whether a client must have a certificate.
type ClientAuth string

const (
	// ClientAuthRequire takes no client without a certificate.
	ClientAuthRequire ClientAuth = "require"
	// ClientAuthOptional takes clients without one; a wrong one is refused.
	ClientAuthOptional ClientAuth = "optional"
)

// Enum lists what a configuration file may say.
func (ClientAuth) Enum() []string { return []string{"require", "optional"} }
