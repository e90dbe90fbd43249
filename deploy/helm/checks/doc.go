// Package checks holds the chart to what it promises: every object of every set of values in values/ is one that Kubernetes, KEDA, the
// Prometheus operator and Strimzi know field by field, keeps the policies of policy_test.go, and is what golden/ says; values that
// contradict each other are refused with words that say why. deploy/helm/check runs it; that the rendered configurations are ones
// that the services take is for the Rust tests (services/tapeline/tests/chart), which read golden/.
package checks
