package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

// built is the page, made of web by its `npm run build`.
//
//go:embed page
var built embed.FS

// file is a part of the page as it is sent.
type file struct {
	plain, zipped []byte
	media, tag    string
}

// files are the parts of the page, by path. They are compressed once, when the
// first browser asks.
var files = sync.OnceValue(func() map[string]file {
	all := map[string]file{}
	root, _ := fs.Sub(built, "page") // it is there
	_ = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		plain, err := fs.ReadFile(root, name)
		if err == nil {
			all["/"+name] = newFile(name, plain)
		}
		return err
	}) // reads memory, and cannot fail
	all["/"] = all["/index.html"]
	return all
})

func newFile(name string, plain []byte) file {
	sum := sha256.Sum256(plain)
	var zipped bytes.Buffer
	z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // a valid level
	_, _ = z.Write(plain)                                      // memory takes all
	_ = z.Close()
	return file{plain, zipped.Bytes(), mime.TypeByExtension(path.Ext(name)), `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// servePage gives a part of the page. Browsers ask each time whether theirs is
// still current, so that a page never talks to a newer Afloat in old words.
func servePage(w http.ResponseWriter, r *http.Request) {
	f, ok := files()[r.URL.Path]
	switch {
	case !ok:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "the page is only read", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.tag)
	h.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.media)
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	_, _ = w.Write(body) // nobody to tell when the client has gone
}
