package http1

// WriteRequestLine begins a request. The method and the target go out as they
// are; those that ReadRequest returned are valid.
func (w *writer) WriteRequestLine(method string, target []byte) {
	w.AppendString(method)
	w.AppendByte(' ')
	w.AppendBytes(target)
	w.AppendString(" HTTP/1.1\r\n")
}

// WriteStatusLine begins a response. A nil reason means the standard phrase.
func (w *writer) WriteStatusLine(status int, reason []byte) {
	w.AppendString("HTTP/1.1 ")
	w.AppendInt(int64(status))
	w.AppendByte(' ')
	if reason != nil {
		w.AppendBytes(reason)
	} else {
		w.AppendString(statusText(status))
	}
	w.AppendString(crlf)
}

// WriteField adds a field that the codec read: name and value go out as they
// are.
func (w *writer) WriteField(name, value []byte) {
	if n := len(name) + len(value) + 4; n < blockSmall && w.space(n) {
		p := w.out.bytes[w.n:]
		i := copy(p, name)
		i += copy(p[i:], ": ")
		i += copy(p[i:], value)
		w.n += i + copy(p[i:], crlf)
		return
	}
	w.AppendBytes(name)
	w.AppendString(": ")
	w.AppendBytes(value)
	w.AppendString(crlf)
}

// WriteFieldString adds a field of our own. Control bytes in the value, with
// which it could reach beyond its line, become spaces; the name must be a valid
// token.
func (w *writer) WriteFieldString(name, value string) {
	w.AppendString(name)
	w.AppendString(": ")
	for i := range len(value) {
		if !valueChars[value[i]] {
			w.appendCleaned(value)
			return
		}
	}
	w.AppendString(value)
	w.AppendString(crlf)
}

func (w *writer) appendCleaned(value string) {
	for i := range len(value) {
		b := value[i]
		if !valueChars[b] {
			b = ' '
		}
		w.AppendByte(b)
	}
	w.AppendString(crlf)
}

// WriteFraming adds the field that announces the body: Content-Length, 0
// included, or Transfer-Encoding; nothing for a body that ends with the
// connection. Leave it out where the message has no body by nature: a request
// without one, or a response that is Bodiless.
func (w *writer) WriteFraming(f Framing) {
	switch {
	case f.Chunked:
		w.AppendString("Transfer-Encoding: chunked\r\n")
	case !f.UntilClose:
		w.AppendString("Content-Length: ")
		w.AppendInt(f.Length)
		w.AppendString(crlf)
	}
}

// EndHead ends the fields. The body follows.
func (w *writer) EndHead() { w.AppendString(crlf) }

// WriteContinue adds a whole 100 Continue, which a client with ExpectContinue
// waits for.
func (w *writer) WriteContinue() { w.AppendString("HTTP/1.1 100 Continue\r\n\r\n") }
