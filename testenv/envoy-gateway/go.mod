// The CRDs of Envoy Gateway; testenv/src/packaging.rs copies them. No program of the module is built.
module ksvc-router.example/testenv/envoy-gateway

go 1.26.7

require github.com/envoyproxy/gateway v1.9.1
