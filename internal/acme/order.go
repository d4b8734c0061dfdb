package acme

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/keyfile"
)

// order has a certificate issued and writes it. Failures are how many orders
// failed before it: unless one challenge is wanted, they take turns.
func (i *Issuer) order(ctx context.Context, want gateway.Issuance, failures int) (*x509.Certificate, error) {
	client, err := i.client(want)
	if err != nil {
		return nil, err
	}
	defer client.HTTPClient.CloseIdleConnections()
	if err := register(ctx, client, want); err != nil {
		return nil, fmt.Errorf("register with the authority: %w", err)
	}
	order, err := client.AuthorizeOrder(ctx, acme.DomainIDs(want.Host))
	if err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	for _, url := range order.AuthzURLs {
		if err := i.authorize(ctx, client, url, want, failures); err != nil {
			return nil, err
		}
	}
	if order, err = client.WaitOrder(ctx, order.URI); err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	return finish(ctx, client, order, want)
}

// client speaks to the authority in the name of the account, which has a key of
// its own.
func (i *Issuer) client(want gateway.Issuance) (*acme.Client, error) {
	key, err := i.accountKey(want.Account)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if want.CA != "" {
		trusted, err := keyfile.ReadCertificates(want.CA)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		for _, c := range trusted {
			transport.TLSClientConfig.RootCAs.AddCert(c)
		}
	}
	return &acme.Client{
		Key: key, DirectoryURL: want.Directory, UserAgent: "afloat", RetryBackoff: backoff,
		HTTPClient: &http.Client{Transport: transport, Timeout: 30 * time.Second},
	}, nil
}

// backoff is how long a request that failed waits to be sent again. An authority
// that wants more ends the order, whose own pause is longer.
func backoff(n int, _ *http.Request, res *http.Response) time.Duration {
	if n > 5 || res != nil && res.StatusCode == http.StatusTooManyRequests {
		return 0
	}
	return time.Duration(n) * time.Second
}

// accountKey reads the account's key, and makes it where there is none.
func (i *Issuer) accountKey(file string) (*ecdsa.PrivateKey, error) {
	i.accounts.Lock()
	defer i.accounts.Unlock()
	key, err := keyfile.ReadKey(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	dir, name := filepath.Split(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	return key, keyfile.WriteKey(dir, name, key)
}

func register(ctx context.Context, client *acme.Client, want gateway.Issuance) error {
	account := &acme.Account{}
	if want.Email != "" {
		account.Contact = []string{"mailto:" + want.Email}
	}
	if e := want.External; e.ID != "" {
		key, err := externalKey(e.KeyFile)
		if err != nil {
			return err
		}
		account.ExternalAccountBinding = &acme.ExternalAccountBinding{KID: e.ID, Key: key}
	}
	_, err := client.Register(ctx, account, acme.AcceptTOS)
	if errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil
	}
	return err
}

// externalKey reads the key of an account that the authority gave out.
func externalKey(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(string(text)), "="))
	if err != nil || len(key) == 0 {
		return nil, fmt.Errorf("%s holds no key in base64url", file)
	}
	return key, nil
}

// authorize shows the authority that the host is ours.
func (i *Issuer) authorize(ctx context.Context, client *acme.Client, url string, want gateway.Issuance, failures int) error {
	asked, err := client.GetAuthorization(ctx, url)
	if err != nil {
		return fmt.Errorf("authorization: %w", err)
	}
	if asked.Status == acme.StatusValid {
		return nil // it still remembers
	}
	challenge := choose(asked.Challenges, want.Challenge, failures)
	if challenge == nil {
		return fmt.Errorf("the authority offers no %s", cmp.Or(string(want.Challenge), "tls-alpn-01 or http-01"))
	}
	forget, err := i.expect(client, challenge, want.Host)
	if err != nil {
		return err
	}
	defer forget()
	if _, err := client.Accept(ctx, challenge); err != nil {
		return fmt.Errorf("%s: %w", challenge.Type, err)
	}
	if _, err := client.WaitAuthorization(ctx, url); err != nil {
		return fmt.Errorf("%s: %w", challenge.Type, err)
	}
	return nil
}

// choose takes the challenge that is wanted, or, where any is, another after
// each failure.
func choose(offered []*acme.Challenge, wanted gateway.ACMEChallenge, failures int) *acme.Challenge {
	var usable []*acme.Challenge
	for _, kind := range []gateway.ACMEChallenge{gateway.ACMEChallengeTLS, gateway.ACMEChallengeHTTP} {
		for _, c := range offered {
			if c.Type == string(kind) && (wanted == "" || wanted == kind) {
				usable = append(usable, c)
			}
		}
	}
	if len(usable) == 0 {
		return nil
	}
	return usable[failures%len(usable)]
}

// expect answers a challenge until forget is called.
func (i *Issuer) expect(client *acme.Client, challenge *acme.Challenge, host string) (forget func(), err error) {
	if challenge.Type == string(gateway.ACMEChallengeTLS) {
		pair, err := client.TLSALPN01ChallengeCert(challenge.Token, host)
		if err != nil {
			return nil, err
		}
		return i.expectHandshake(host, pair), nil
	}
	response, err := client.HTTP01ChallengeResponse(challenge.Token)
	if err != nil {
		return nil, err
	}
	return i.expectRequest(host, challenge.Token, response), nil
}

// finish gets the certificate, for a new key, and writes both.
func finish(ctx context.Context, client *acme.Client, order *acme.Order, want gateway.Issuance) (*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{want.Host}}, key)
	if err != nil {
		return nil, err
	}
	ders, _, err := client.CreateCertFromOrder(ctx, order, request, true)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	var chain []*x509.Certificate
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 || !key.PublicKey.Equal(chain[0].PublicKey) {
		return nil, errors.New("the authority sent a certificate of another key")
	}
	if err := chain[0].VerifyHostname(want.Host); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return chain[0], keyfile.WritePair(want.File, key, chain...)
}
