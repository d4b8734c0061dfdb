// Package keyfile reads and writes files of certificates and private keys, in PEM.
// What it writes is its owner's alone, and replaces what was there in one step.
package keyfile

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// fileBytesMax bounds a file that is read.
const fileBytesMax = 1 << 20

// WriteKey writes a private key.
func WriteKey(dir, name string, key *ecdsa.PrivateKey) error {
	block, err := keyBlock(key)
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, name), pem.EncodeToMemory(block))
}

// WriteCertificates writes certificates, of which the first comes first.
func WriteCertificates(dir, name string, chain ...*x509.Certificate) error {
	return replace(filepath.Join(dir, name), encode(chain))
}

// WritePair writes a chain and its key into one file: two could not be replaced
// in one step.
func WritePair(file string, key *ecdsa.PrivateKey, chain ...*x509.Certificate) error {
	block, err := keyBlock(key)
	if err != nil {
		return err
	}
	return replace(file, append(encode(chain), pem.EncodeToMemory(block)...))
}

func keyBlock(key *ecdsa.PrivateKey) (*pem.Block, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}, err
}

func encode(chain []*x509.Certificate) (out []byte) {
	for _, c := range chain {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// replace puts a file of mode 0600 in the place of what was there, in one step
// and on the disk.
func replace(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".new-") // of mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // it is gone from there where all went well
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// ReadCertificate returns the first certificate of a file.
func ReadCertificate(file string) (*x509.Certificate, error) {
	chain, err := ReadCertificates(file)
	if err != nil {
		return nil, err
	}
	return chain[0], nil
}

// ReadCertificates returns those of a file, of which there is at least one.
func ReadCertificates(file string) (chain []*x509.Certificate, err error) {
	data, err := read(file)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return chain, nil
}

// ReadKey returns the private key of a file. One that others may read is
// refused.
func ReadKey(file string) (*ecdsa.PrivateKey, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may read or write %s: take that from them with chmod 600", file)
	}
	data, err := read(file)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(data); block != nil {
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := key.(*ecdsa.PrivateKey); ok {
				return key, nil
			}
		}
	}
	return nil, fmt.Errorf("%s holds no private key that Afloat has made", file) // what it holds is not to be told
}

func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, fileBytesMax))
}
