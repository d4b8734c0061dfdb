package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// certificateBytesMax bounds a file of certificates: that of all public roots
// has a fifth of it.
const certificateBytesMax = 1 << 20

// keyFiles reads certificates and keys, remembers how the files looked, and
// collects what is wrong with them.
type keyFiles struct {
	validator
	now    time.Time
	stamps []stamp
}

// stamp is a file as it was when it was read.
type stamp struct {
	name string
	info fs.FileInfo // nil: it could not be read
}

// changed reports whether the file is another one by now.
func (s stamp) changed() bool {
	info, err := os.Stat(s.name)
	if err != nil || s.info == nil {
		return (err == nil) != (s.info != nil)
	}
	return !os.SameFile(s.info, info) || s.info.Size() != info.Size() || !s.info.ModTime().Equal(info.ModTime())
}

func (k *keyFiles) read(name string, path ...string) (data []byte, ok bool) {
	file, err := os.Open(name)
	if err != nil {
		k.stamps = append(k.stamps, stamp{name, nil})
		k.add("%s cannot be read: %v", []any{name, withoutPath(err)}, path...)
		return nil, false
	}
	defer file.Close()
	info, err := file.Stat() // before its bytes, so that a change meanwhile is one later
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(file, certificateBytesMax+1))
	}
	k.stamps = append(k.stamps, stamp{name, info})
	switch {
	case err != nil:
		k.add("%s cannot be read: %v", []any{name, withoutPath(err)}, path...)
		return nil, false
	case len(data) > certificateBytesMax:
		k.add("%s has more than %d bytes: it is no file of certificates", []any{name, certificateBytesMax}, path...)
		return nil, false
	}
	return data, true
}

// withoutPath is an error of the file system without the file's name, which
// stands before it.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// pair reads a certificate and its key. The path leads to where both are named.
func (k *keyFiles) pair(c CertificateConfig, path ...string) (tls.Certificate, bool) {
	cert, key := c.Cert, c.Key
	at := func(field string) []string { return append(path[:len(path):len(path)], field) }
	chain, ok := k.read(cert, at("cert")...)
	if !ok {
		return tls.Certificate{}, false
	}
	if !hasCertificate(chain) {
		k.add("%s holds no certificate in PEM", []any{cert}, at("cert")...)
		return tls.Certificate{}, false
	}
	secret, where := chain, "cert"
	if key != "" {
		where = "key"
		if secret, ok = k.read(key, at("key")...); !ok {
			return tls.Certificate{}, false
		}
	} else {
		key = cert
	}
	pair, err := tls.X509KeyPair(chain, secret)
	if err != nil {
		k.add("%s", []any{keyProblem(err, cert, key, secret)}, at(where)...)
		return tls.Certificate{}, false
	}
	if c.RenewFrom != "" {
		return pair, true // one that has expired is renewed too
	}
	return pair, k.valid(pair.Leaf, cert, at("cert")...)
}

// issued reads a certificate that an authority issues. One that is not there yet,
// or cannot be used, is issued anew: that is no problem of the configuration's.
func (k *keyFiles) issued(file string) (tls.Certificate, bool) {
	quiet := &keyFiles{now: k.now}
	pair, _ := quiet.pair(CertificateConfig{Cert: file})
	k.stamps = append(k.stamps, quiet.stamps...)
	return pair, pair.Leaf != nil
}

// keyProblem says why a key does not go with a certificate. The library's own
// words may hold what it found in the files.
func keyProblem(err error, cert, key string, secret []byte) string {
	switch {
	case !hasKey(secret) && key == cert:
		return fmt.Sprintf("%s holds no private key in PEM: name the file that does under key", cert)
	case !hasKey(secret):
		return fmt.Sprintf("%s holds no private key in PEM", key)
	case err.Error() == "tls: private key does not match public key",
		err.Error() == "tls: private key type does not match public key type":
		return fmt.Sprintf("the key in %s is not that of the certificate in %s", key, cert)
	}
	return fmt.Sprintf("%s and %s cannot be used: %v", cert, key, err)
}

// valid reports whether the certificate is neither too old nor too new.
func (k *keyFiles) valid(c *x509.Certificate, name string, path ...string) bool {
	switch {
	case k.now.After(c.NotAfter):
		k.add("the certificate in %s expired on %s", []any{name, c.NotAfter.UTC().Format(time.DateTime)}, path...)
	case k.now.Before(c.NotBefore):
		k.add("the certificate in %s is valid only from %s on", []any{name, c.NotBefore.UTC().Format(time.DateTime)}, path...)
	default:
		return true
	}
	return false
}

// pool reads certificates that others are checked by.
func (k *keyFiles) pool(name string, path ...string) *x509.CertPool {
	data, ok := k.read(name, path...)
	if !ok {
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		k.add("%s holds no certificate in PEM", []any{name}, path...)
		return nil
	}
	return pool
}

func hasCertificate(data []byte) bool {
	return hasBlock(data, func(kind string) bool { return kind == "CERTIFICATE" })
}

func hasKey(data []byte) bool {
	return hasBlock(data, func(kind string) bool {
		return kind == "PRIVATE KEY" || kind == "EC PRIVATE KEY" || kind == "RSA PRIVATE KEY"
	})
}

func hasBlock(data []byte, is func(kind string) bool) bool {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return false
		}
		if is(block.Type) {
			return true
		}
		data = rest
	}
}
