// Grafana's foundation SDK, with whose types main.go reads the dashboard; testenv/src/packaging.rs builds it.
module ksvc-router.example/testenv/grafana

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
