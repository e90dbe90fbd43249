// Package checks tests the chart: every object of every set of values in values/ has only fields that Kubernetes, KEDA, the
// Prometheus operator and Strimzi define, keeps the policies of policy_test.go, and equals golden/; values that
// contradict each other are rejected with their cause. deploy/helm/check runs it. The Rust tests (services/tapeline/tests/chart) read
// golden/ and check that the services accept the rendered configurations.
package checks
