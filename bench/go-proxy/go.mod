module ksvc-router/bench/go-proxy

go 1.22
