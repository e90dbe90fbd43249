package checks

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	chart       = "../tapeline"
	kubeVersion = "1.37.2"
)

var update = flag.Bool("update", false, "write golden/ as it is rendered now")

// sets are the sets of values that are rendered, by name.
var sets = []string{"minimal", "production", "strimzi", "no-keda", "at-least-once", "platform"}

// object is one rendered object, as decoded from YAML.
type object = map[string]any

// helm runs the command that deploy/helm/check has built.
func helm(args ...string) (string, error) {
	program := os.Getenv("HELM")
	if program == "" {
		program = "helm"
	}
	var out, errors bytes.Buffer
	command := exec.Command(program, args...)
	command.Stdout, command.Stderr = &out, &errors
	err := command.Run()
	if err != nil {
		return errors.String() + out.String(), err
	}
	return out.String(), nil
}

func values(set string) string { return filepath.Join("values", set+".yaml") }

var rendered sync.Map

// render gives the chart as a release called tapeline with a set's values.
func render(t *testing.T, set string) string {
	t.Helper()
	if text, ok := rendered.Load(set); ok {
		return text.(string)
	}
	text, err := helm("template", "tapeline", chart, "--namespace", "tapeline", "--kube-version", kubeVersion, "--values", values(set))
	if err != nil {
		t.Fatalf("%s: %s", set, text)
	}
	rendered.Store(set, text)
	return text
}

// objects splits rendered text. The strict reader rejects duplicate keys.
func objects(t *testing.T, text string) []object {
	t.Helper()
	var found []object
	for _, document := range strings.Split("\n"+text, "\n---\n") {
		var one object
		if err := yaml.UnmarshalStrict([]byte(document), &one); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		if len(one) > 0 {
			found = append(found, one)
		}
	}
	if len(found) == 0 {
		t.Fatal("nothing is rendered")
	}
	return found
}

// eachObject runs check on every object of every set.
func eachObject(t *testing.T, check func(t *testing.T, one object)) {
	for _, set := range sets {
		t.Run(set, func(t *testing.T) {
			for _, one := range objects(t, render(t, set)) {
				check(t, one)
			}
		})
	}
}

func name(one object) string {
	metadata, _ := one["metadata"].(object)
	kind, _ := one["kind"].(string)
	called, _ := metadata["name"].(string)
	return kind + " " + called
}

func TestHelmLintHasNoFindings(t *testing.T) {
	for _, set := range sets {
		if text, err := helm("lint", chart, "--strict", "--kube-version", kubeVersion, "--values", values(set)); err != nil {
			t.Errorf("%s: %s", set, text)
		}
	}
}

// withoutForeign removes the content of dashboards and alerts, which have their own tests.
func withoutForeign(text string) string {
	var kept []string
	for _, document := range strings.Split(text, "\n---\n") {
		for _, file := range []string{"kind: PrometheusRule\n", "name: tapeline-dashboard-"} {
			if strings.Contains(document, file) {
				before, _, _ := strings.Cut(document, "\nspec:")
				before, _, _ = strings.Cut(before, "\ndata:")
				document = before
			}
		}
		kept = append(kept, document)
	}
	return strings.TrimSuffix(strings.Join(kept, "\n---\n"), "\n") + "\n"
}

func TestOutputIsGolden(t *testing.T) {
	for _, set := range sets {
		path, now := filepath.Join("golden", set+".yaml"), withoutForeign(render(t, set))
		if *update {
			if err := os.WriteFile(path, []byte(now), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		golden, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(golden) != now {
			t.Errorf("%s differs from the rendered chart; if that is intended, deploy/helm/check --update writes it:\n%s", path, firstDifference(string(golden), now))
		}
	}
}

func firstDifference(golden, now string) string {
	old, new := strings.Split(golden, "\n"), strings.Split(now, "\n")
	for i := range min(len(old), len(new)) {
		if old[i] != new[i] {
			return "- " + old[i] + "\n+ " + new[i]
		}
	}
	return "one is longer"
}

func TestACopyIsWhatItIsACopyOf(t *testing.T) {
	original, err := os.ReadFile("../../kafka/acls.txt")
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.ReadFile(filepath.Join(chart, "files/acls.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(original, copied) {
		t.Error("deploy/helm/tapeline/files/acls.txt differs from deploy/kafka/acls.txt: a chart reads nothing outside its folder, so copy it")
	}
}

func TestTheChartIsOfTheWorkspaceSVersion(t *testing.T) {
	workspace, err := os.ReadFile("../../../Cargo.toml")
	if err != nil {
		t.Fatal(err)
	}
	described, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(workspace), "\nversion = \"")
	version, _, _ := strings.Cut(rest, "\"")
	for _, line := range []string{"\nversion: " + version + "\n", "\nappVersion: " + version + "\n"} {
		if version == "" || !strings.Contains(string(described), line) {
			t.Errorf("Chart.yaml has no %q, as in Cargo.toml", strings.TrimSpace(line))
		}
	}
}
