// Command reverseproxy is net/http/httputil's proxy, as a program that wants a
// plain one would set it up.
//
//	reverseproxy FILE
//
// The file has the address to listen on and those to send to, in a line.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("reverseproxy FILE")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	addresses := strings.Fields(string(text))
	if len(addresses) < 2 {
		log.Fatalf("%s: want an address to listen on and one to send to", os.Args[1])
	}
	log.Fatal(newServer(addresses[0], addresses[1:]).ListenAndServe())
}

// newServer sends the requests to the servers in turn.
func newServer(listen string, servers []string) *http.Server {
	targets := make([]*url.URL, len(servers))
	for i, s := range servers {
		targets[i] = &url.URL{Scheme: "http", Host: s}
	}
	var turn atomic.Uint64
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(targets[turn.Add(1)%uint64(len(targets))])
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: time.Second}).DialContext,
			ResponseHeaderTimeout: 15 * time.Second,
			MaxIdleConns:          4096,
			MaxIdleConnsPerHost:   4096,
			IdleConnTimeout:       time.Minute,
			DisableCompression:    true,
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, fmt.Sprint("bad gateway: ", err), http.StatusBadGateway)
		},
	}
	return &http.Server{Addr: listen, Handler: proxy, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second}
}
