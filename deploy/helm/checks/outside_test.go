package checks

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// policies are the NetworkPolicies of rendered text, by name.
func policies(t *testing.T, text string) map[string]networkingv1.NetworkPolicySpec {
	t.Helper()
	found := map[string]networkingv1.NetworkPolicySpec{}
	for _, one := range objects(t, text) {
		if policy, ok := typed(t, one).(*networkingv1.NetworkPolicy); ok {
			found[policy.Name] = policy.Spec
		}
	}
	return found
}

func portsOf(ports []networkingv1.NetworkPolicyPort) string {
	var words []string
	for _, port := range ports {
		word := fmt.Sprint(*port.Protocol, " ", port.Port.String())
		if port.EndPort != nil {
			word += fmt.Sprint("-", *port.EndPort)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func TestEgressReachesAdvertisedListenersAndDns(t *testing.T) {
	for set, expected := range map[string][]string{
		"minimal":  {"UDP 53, TCP 53", "TCP 9092", "TCP 8081"},
		"platform": {"UDP 5353, TCP 5353", "TCP 9092, TCP 9094, TCP 30000-32767", "TCP 443", "TCP 443"},
	} {
		var found []string
		for _, rule := range policies(t, render(t, set))["tapeline-egress"].Egress {
			found = append(found, portsOf(rule.Ports))
		}
		if !slices.Equal(found, expected) {
			t.Errorf("%s: egress to %v, expected %v", set, found, expected)
		}
	}
}

// An empty list of peers in a rule would permit every peer.
func TestIngressWithoutPeersIsNoRule(t *testing.T) {
	for set, expected := range map[string]map[string]int{"platform": {"tapeline-publisher": 1}, "minimal": {"tapeline-publisher": 2}} {
		for policy, rules := range expected {
			ingress := policies(t, render(t, set))[policy].Ingress
			if len(ingress) != rules {
				t.Errorf("%s: %s has %d rules, expected %d", set, policy, len(ingress), rules)
			}
			for _, rule := range ingress {
				if len(rule.From) == 0 {
					t.Errorf("%s: %s permits every peer", set, policy)
				}
			}
		}
	}
	given := valuesOf(t, "minimal")
	given["networkPolicy"] = object{"scrapeFrom": []any{}, "edgeFrom": []any{}}
	text, _, err := renderValues(loadChart(t), given)
	if err != nil {
		t.Fatal(err)
	}
	for name, policy := range policies(t, text) {
		if len(policy.Ingress) != 0 {
			t.Errorf("%s permits %v", name, policy.Ingress)
		}
	}
}

// rules are the alerts of a set, with their runbook_url.
func rules(t *testing.T, text string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, one := range objects(t, text) {
		if one["kind"] != "PrometheusRule" {
			continue
		}
		for _, group := range one["spec"].(object)["groups"].([]any) {
			for _, rule := range group.(object)["rules"].([]any) {
				url, _ := rule.(object)["annotations"].(object)["runbook_url"].(string)
				found[rule.(object)["alert"].(string)] = url
			}
		}
	}
	if len(found) < 15 {
		t.Fatalf("only %d alerts are rendered", len(found))
	}
	return found
}

func TestAlertsLinkToTheirRunbook(t *testing.T) {
	// With a slash at its end, which must not be doubled.
	given := valuesOf(t, "platform")
	given["monitoring"].(object)["rules"].(object)["runbookBaseUrl"] = "https://wiki.example.org/tapeline/runbooks/"
	slash, _, err := renderValues(loadChart(t), given)
	if err != nil {
		t.Fatal(err)
	}
	for text, base := range map[string]string{
		render(t, "production"): "docs/runbooks",
		render(t, "platform"):   "https://wiki.example.org/tapeline/runbooks",
		slash:                   "https://wiki.example.org/tapeline/runbooks",
	} {
		for alert, url := range rules(t, text) {
			page, ok := strings.CutPrefix(url, base+"/")
			if _, err := os.Stat(filepath.Join("../../../docs/runbooks", page)); !ok || page == "" || err != nil {
				t.Errorf("%s: %q is no page of %s", alert, url, base)
			}
		}
	}
}

func TestAlertsOfKubernetesAreRenderedOnRequest(t *testing.T) {
	for set, expected := range map[string]bool{"production": false, "platform": true} {
		if _, found := rules(t, render(t, set))["TapelineSetupJobFailed"]; found != expected {
			t.Errorf("%s: the alert for a failed Job is rendered: %v", set, found)
		}
	}
}

var forward = regexp.MustCompile(`port-forward ([a-z]+)/(\S+) (\d+)`)

// The commands of the notes name objects of the release.
func TestNotesNameWhatThereIs(t *testing.T) {
	loaded := loadChart(t)
	for _, set := range sets {
		manifests, notes, err := renderValues(loaded, valuesOf(t, set))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, one := range objects(t, manifests) {
			names = append(names, name(one))
		}
		commands := forward.FindAllStringSubmatch(notes, -1)
		if len(commands) != 5 {
			t.Errorf("%s: %d commands in:\n%s", set, len(commands), notes)
		}
		for _, command := range commands {
			kinds := map[string]string{"service": "Service ", "deployment": "Deployment ", "pod": "StatefulSet "}
			if wanted := kinds[command[1]] + strings.TrimSuffix(command[2], "-0"); !slices.Contains(names, wanted) {
				t.Errorf("%s: there is no %s for %q", set, wanted, command[0])
			}
		}
		if strings.Contains(notes, "<no value>") || !strings.Contains(notes, "not authenticated") {
			t.Errorf("%s: the notes lack a value or the warning:\n%s", set, notes)
		}
	}
}

func TestNotesReportWhatIsMissing(t *testing.T) {
	loaded := loadChart(t)
	for set, expected := range map[string][]string{
		"minimal":       {"backfill has no source of bars"},
		"at-least-once": {"There is no NetworkPolicy"},
		"production":    {"tapeline-operator: password, of the setup", "tapeline-feature: password, of feature", "registry-login-tapeline: password", "registry-ca: ca.crt", "runbookBaseUrl is empty", "rollOn and reloader"},
		"platform":      {"kafka-admin: password, of the setup", "bridge-login: password, of scanner-bridge", "kafka-trust: bundle.pem", "no pod can post findings"},
		"strimzi":       {"rollOn and reloader"},
		"no-keda":       {"vectors-login: password, of feature"},
	} {
		_, notes, err := renderValues(loaded, valuesOf(t, set))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range expected {
			if !strings.Contains(notes, text) {
				t.Errorf("%s: no %q in:\n%s", set, text, notes)
			}
		}
	}
	if _, notes, err := renderValues(loaded, valuesOf(t, "platform")); err != nil || strings.Contains(notes, "rollOn") || strings.Contains(notes, "runbookBaseUrl") {
		t.Errorf("platform: something that is set is reported as missing: %v\n%s", err, notes)
	}
}

// docker is a program in place of Docker: it has the images of deploy/images/build, and gives each pushed one a digest.
const docker = `#!/bin/sh
set -eu
case "$1 $2" in
"image inspect") case "$5" in tapeline/*) echo id ;; *) printf 'other.example.org/x@sha256:%064d\n%s@sha256:%064d\n' 8 "${5%:*}" 7 ;; esac ;;
tag*|"push --quiet") echo "$@" >>"$CALLS" ;;
*) exit 1 ;;
esac
`

// What deploy/images/push prints are values of the chart, and every image of the chart is pushed.
func TestPushedImagesAreThoseOfTheChart(t *testing.T) {
	folder := t.TempDir()
	calls := filepath.Join(folder, "calls")
	if err := os.WriteFile(filepath.Join(folder, "docker"), []byte(docker), 0o755); err != nil {
		t.Fatal(err)
	}
	push := func(registry string) ([]byte, error) {
		command := exec.Command("../../images/push", registry)
		command.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "CALLS="+calls)
		return command.Output()
	}
	printed, err := push("registry.example.org/team/")
	if err != nil {
		t.Fatal(err)
	}
	given := valuesOf(t, "minimal")
	delete(given, "image")
	var image object
	if err := yaml.UnmarshalStrict(printed, &image); err != nil {
		t.Fatal(err)
	}
	given["image"] = image["image"]
	text, _, err := renderValues(loadChart(t), given)
	if err != nil {
		t.Fatalf("%v with\n%s", err, printed)
	}
	pushed, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	version := loadChart(t).Metadata.AppVersion
	for component, template := range podsOf(t, text) {
		program := strings.Replace(component, "setup", "tapeline", 1)
		wanted := "registry.example.org/team/tapeline/" + program
		if found := template.Spec.Containers[0].Image; found != wanted+"@sha256:"+fmt.Sprintf("%064d", 7) {
			t.Errorf("the image of %s is %s", component, found)
		}
		if !strings.Contains(string(pushed), "push --quiet "+wanted+":"+version+"\n") {
			t.Errorf("%s is not pushed:\n%s", wanted, pushed)
		}
	}
	for _, invalid := range []string{"", "acme", "https://registry.example.org"} {
		if _, err := push(invalid); err == nil {
			t.Errorf("%q is accepted as a registry", invalid)
		}
	}
}
