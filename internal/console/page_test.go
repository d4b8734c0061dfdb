package console

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// gzippedMax is what the page may weigh on its way.
const gzippedMax = 150 << 10

func TestPageIsLight(t *testing.T) {
	sum := 0
	for path, f := range files() {
		if path != "/" {
			sum += len(f.zipped)
		}
	}
	if sum < 10<<10 || sum > gzippedMax {
		t.Errorf("the page weighs %d bytes gzipped, want at most %d", sum, gzippedMax)
	}
	t.Logf("%d bytes gzipped", sum)
}

// TestPageIsBuiltOfItsSources needs no npm: the build leaves the hash of what it
// was made of.
func TestPageIsBuiltOfItsSources(t *testing.T) {
	var names []string
	for _, pattern := range []string{"*.html", "*.json", "*.ts", "src/*"} {
		found, err := filepath.Glob(filepath.Join("web", pattern))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	hash := sha256.New()
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(hash, "%s\n%s", strings.TrimPrefix(name, "web/"), text)
	}
	want := hex.EncodeToString(hash.Sum(nil))
	got, err := os.ReadFile("page/sources.sha256")
	if err != nil || strings.TrimSpace(string(got)) != want {
		t.Errorf("page is not built of web as it is: run npm run build in internal/console/web; got %s, want %s, %v", got, want, err)
	}
}

func TestPageIsServedWholeAndOnce(t *testing.T) {
	h := Handler(running(t))
	w := ask(t, h, "GET", "/", "", "Accept-Encoding: gzip")
	if w.Code != 200 || w.Header().Get("Content-Encoding") != "gzip" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("got %d %v", w.Code, w.Header())
	}
	if again := ask(t, h, "GET", "/", "", "If-None-Match: "+w.Header().Get("ETag")); again.Code != 304 || again.Body.Len() != 0 {
		t.Errorf("again: %d", again.Code)
	}
	plain := ask(t, h, "GET", "/", "").Body.String()
	if !strings.Contains(plain, "<title>Afloat</title>") || strings.Contains(plain, "<style") || strings.Contains(plain, "://") {
		t.Errorf("the page has a style of its own, or something from elsewhere: %s", plain)
	}
	for path, media := range map[string]string{"/console.js": "text/javascript", "/index.css": "text/css", "/icon.svg": "image/svg+xml"} {
		if w := ask(t, h, "GET", path, ""); w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), media) {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	if w := ask(t, h, "GET", "/nothing", ""); w.Code != 404 {
		t.Errorf("/nothing: %d", w.Code)
	}
}
