package idempotency

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// keyMax is how long a key may be, in bytes.
const keyMax = 255

// keyOf reads the request's key: a string of a structured field (RFC 8941,
// 3.3.3), or bare, as most clients send it. Either way it is the same key.
func keyOf(header http.Header) (key string, given bool, err error) {
	values := header[Header]
	if len(values) == 0 {
		return "", false, nil
	}
	if len(values) > 1 {
		return "", true, fmt.Errorf("%s is there %d times, want it once", Header, len(values))
	}
	text := strings.Trim(values[0], " ")
	if strings.HasPrefix(text, `"`) {
		key, err = quotedKey(text)
	} else {
		key, err = bareKey(text)
	}
	switch {
	case err != nil:
	case key == "":
		err = fmt.Errorf("%s is empty", Header)
	case len(key) > keyMax:
		err = fmt.Errorf("%s is longer than %d bytes", Header, keyMax)
	}
	return key, true, err
}

func quotedKey(text string) (string, error) {
	var key strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' && i == len(text)-1:
			return key.String(), nil
		case c == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
			key.WriteByte(text[i])
		case c == '"' || c == '\\' || c < ' ' || c > '~':
			return "", fmt.Errorf("%s is no string of a structured field, such as \"8e03978e-40d5\", at byte %d", Header, i+1)
		default:
			key.WriteByte(c)
		}
	}
	return "", fmt.Errorf("%s has no closing quote", Header)
}

// bareKey takes what cannot be mistaken for several values, parameters or a
// string.
func bareKey(text string) (string, error) {
	for i, c := range []byte(text) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' || c == ',' || c == ';' {
			return "", fmt.Errorf("%s has a character that only a quoted one may have, at byte %d", Header, i+1)
		}
	}
	return text, nil
}

// ByCredentials is the default of Config.Client: the Authorization header; the
// client's certificate where there is none; else the cookies; else the address
// that the connection comes from. A token or a cookie that changes between a
// request and its repeat makes them two: where you know the user, say so.
func ByCredentials(r *http.Request) string {
	if values := r.Header["Authorization"]; len(values) > 0 {
		return digest("authorization", values...)
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return digest("certificate", string(r.TLS.PeerCertificates[0].Raw))
	}
	if values := r.Header["Cookie"]; len(values) > 0 {
		return digest("cookie", values...)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return digest("address", host)
}

// storedKey is what the Store sees. It holds neither the client's credentials
// nor anything that a client could choose to look like another's.
func storedKey(client, key string) string { return digest("key", client, key) }

// digest is a hash of parts that cannot be shifted from one to the next.
func digest(kind string, parts ...string) string {
	sum := sha256.New()
	for _, part := range append([]string{kind}, parts...) {
		_ = binary.Write(sum, binary.BigEndian, uint64(len(part))) // a hash takes all
		_, _ = io.WriteString(sum, part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// read reads the request's body, so that it can be compared and yet be served,
// and returns the request's fingerprint.
func (h *Handler) read(r *http.Request) (fingerprint string, err error) {
	body := []byte{}
	if r.Body != nil {
		limit := int64(h.config.BodyMax)
		if r.ContentLength > limit {
			return "", tooLong(limit)
		}
		body, err = io.ReadAll(io.LimitReader(r.Body, limit+1))
		switch {
		case errors.As(err, new(*http.MaxBytesError)):
			return "", &Problem{Status: http.StatusRequestEntityTooLarge, Err: err}
		case err != nil:
			return "", &Problem{Status: http.StatusBadRequest, Detail: "The body ends early.", Err: err}
		case int64(len(body)) > limit:
			return "", tooLong(limit)
		}
		r.Body = &readBody{bytes.NewReader(body), r.Body}
	}
	return digest("request", r.Method, r.Host, r.URL.RequestURI(), r.Header.Get("Content-Type"), string(body)), nil
}

// readBody is a body that was read once already.
type readBody struct {
	io.Reader
	io.Closer
}
