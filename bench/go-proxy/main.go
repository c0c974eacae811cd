// A proxy in front of the gateway, written with Go's standard library: the patterns of http.ServeMux, and a ReverseProxy
// with persistent connections. The benchmarks compare the filter with it.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

type config struct {
	Listen  string
	Gateway string
	Routes  []struct{ Pattern, Authority string }
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go-proxy CONFIG.json")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var config config
	if err := json.Unmarshal(text, &config); err != nil {
		log.Fatalf("%s: %v", os.Args[1], err)
	}

	transport := &http.Transport{
		MaxIdleConns:        1024,
		MaxIdleConnsPerHost: 1024,
		IdleConnTimeout:     time.Hour,
		DisableCompression:  true,
	}
	gateway := &url.URL{Scheme: "http", Host: config.Gateway}
	mux := http.NewServeMux()
	for _, route := range config.Routes {
		mux.Handle(route.Pattern, &httputil.ReverseProxy{
			Transport: transport,
			Rewrite: func(request *httputil.ProxyRequest) {
				request.SetURL(gateway)
				request.SetXForwarded()
				request.Out.Host = route.Authority
			},
		})
	}
	log.Fatal(http.ListenAndServe(config.Listen, mux))
}
