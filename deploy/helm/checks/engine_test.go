package checks

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	chartv2 "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

// loadChart reads the chart for renderValues.
func loadChart(t *testing.T) *chartv2.Chart {
	t.Helper()
	loaded, err := loader.Load(chart)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// renderValues renders in this process, for checks that render hundreds of times, and for the notes, which `helm template` leaves out.
func renderValues(loaded *chartv2.Chart, given object) (manifests, notes string, err error) {
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = chartutil.KubeVersion{Version: "v" + kubeVersion, Major: "1", Minor: "37"}
	release := chartutil.ReleaseOptions{Name: "tapeline", Namespace: "streams", IsInstall: true, Revision: 1}
	all, err := chartutil.ToRenderValues(loaded, given, release, capabilities)
	if err != nil {
		return "", "", err
	}
	files, err := engine.Render(loaded, all)
	if err != nil {
		return "", "", err
	}
	var joined []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, "NOTES.txt") {
			notes = files[name]
		} else if strings.HasSuffix(name, ".yaml") {
			joined = append(joined, files[name])
		}
	}
	return strings.Join(joined, "\n---\n"), notes, nil
}

// valuesOf reads a set of values.
func valuesOf(t *testing.T, set string) object {
	t.Helper()
	text, err := os.ReadFile(values(set))
	if err != nil {
		t.Fatal(err)
	}
	var read object
	if err := yaml.UnmarshalStrict(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}
