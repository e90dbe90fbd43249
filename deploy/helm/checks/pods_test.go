package checks

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// podsOf are the pod templates by the component of a set's services and setup.
func podsOf(t *testing.T, text string) map[string]*corev1.PodTemplateSpec {
	t.Helper()
	found := map[string]*corev1.PodTemplateSpec{}
	for _, one := range objects(t, text) {
		if template, _ := pod(t, one); template != nil {
			found[template.Labels["app.kubernetes.io/component"]] = template
		}
	}
	return found
}

// In `platform`: values of all pods, of `feature` and of `setup` are merged, appended or replaced.
func TestValuesOfAServiceExtendThoseOfAllPods(t *testing.T) {
	pods := podsOf(t, render(t, "platform"))
	for component, expected := range map[string]struct{ inject, tier, pool, priority, variable, mount, toleration string }{
		"feature":  {"true", "compute", "compute", "streaming-high", "MALLOC_ARENA_MAX", "/srv/signing", "compute"},
		"setup":    {"false", "setup", "batch", "batch", "SETUP", "/srv/scratch", "batch"},
		"backfill": {"true", "stream", "streaming", "streaming", "TZ", "/etc/ssl/certs", "streaming"},
	} {
		template := pods[component]
		spec, container := template.Spec, template.Spec.Containers[0]
		variables, mounts := container.Env, container.VolumeMounts
		found := []string{
			template.Annotations["sidecar.istio.io/inject"], template.Labels["tier"], spec.NodeSelector["pool"], spec.PriorityClassName,
			variables[len(variables)-1].Name, mounts[len(mounts)-1].MountPath, spec.Tolerations[len(spec.Tolerations)-1].Key,
		}
		wanted := []string{
			expected.inject, expected.tier, expected.pool, expected.priority, expected.variable, expected.mount, expected.toleration,
		}
		if !slices.Equal(found, wanted) {
			t.Errorf("%s: %v, expected %v", component, found, wanted)
		}
		if template.Annotations["example.org/owner"] != "streaming" || spec.NodeSelector["disk"] != "ssd" || spec.Affinity == nil {
			t.Errorf("%s lacks values of all pods", component)
		}
		if !slices.ContainsFunc(variables, func(it corev1.EnvVar) bool { return it.Name == "TZ" }) {
			t.Errorf("%s lacks the variable of all pods", component)
		}
	}
}

// Without a selector a constraint would count no pods.
func TestSpreadConstraintsOfValuesSelectThePods(t *testing.T) {
	for set, component := range map[string]string{"platform": "feature", "no-keda": "backfill"} {
		template := podsOf(t, render(t, set))[component]
		constraints := template.Spec.TopologySpreadConstraints
		if len(constraints) != 1 || constraints[0].TopologyKey != "rack" || len(constraints[0].LabelSelector.MatchLabels) == 0 {
			t.Errorf("%s: %v", set, constraints)
			continue
		}
		for label, value := range constraints[0].LabelSelector.MatchLabels {
			if template.Labels[label] != value {
				t.Errorf("%s: %s=%s selects other pods", set, label, value)
			}
		}
	}
}

// The setup runs at each upgrade, so nothing has to replace it.
func TestRollOnReplacesThePodsThatItNames(t *testing.T) {
	loaded := loadChart(t)
	before, _, err := renderValues(loaded, valuesOf(t, "minimal"))
	if err != nil {
		t.Fatal(err)
	}
	for of, replaced := range map[string][]string{"": {"backfill", "feature", "publisher", "scanner-bridge"}, "feature": {"feature"}} {
		given := valuesOf(t, "minimal")
		rollOn := object{"certificates": "2026-11"}
		if of == "" {
			given["rollOn"] = rollOn
		} else {
			given["services"] = object{of: object{"rollOn": rollOn}}
		}
		after, _, err := renderValues(loaded, given)
		if err != nil {
			t.Fatal(err)
		}
		var differ []string
		old := podsOf(t, before)
		for component, template := range podsOf(t, after) {
			if template.String() != old[component].String() {
				differ = append(differ, component)
			}
		}
		slices.Sort(differ)
		if !slices.Equal(differ, replaced) {
			t.Errorf("rollOn of %q replaces %v, expected %v", of, differ, replaced)
		}
	}
}

func TestReloaderIsGivenEveryMountedSecret(t *testing.T) {
	loaded := loadChart(t)
	for _, set := range sets {
		given := valuesOf(t, set)
		given["reloader"] = object{"enabled": true}
		text, _, err := renderValues(loaded, given)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range objects(t, text) {
			var annotations map[string]string
			switch made := typed(t, one).(type) {
			case *appsv1.StatefulSet:
				annotations = made.Annotations
			case *appsv1.Deployment:
				annotations = made.Annotations
			default:
				continue
			}
			template, _ := pod(t, one)
			var mounted []string
			for _, volume := range template.Spec.Volumes {
				if volume.Secret != nil {
					mounted = append(mounted, volume.Secret.SecretName)
				}
				if volume.Projected != nil {
					for _, source := range volume.Projected.Sources {
						if source.Secret != nil {
							mounted = append(mounted, source.Secret.Name)
						}
					}
				}
			}
			slices.Sort(mounted)
			named := annotations["secret.reloader.stakater.com/reload"]
			if named != strings.Join(slices.Compact(mounted), ",") {
				t.Errorf("%s, %s: Reloader is given %q, mounted are %v", set, name(one), named, mounted)
			}
		}
	}
}

func TestACpuLimitCanBeLeftOut(t *testing.T) {
	loaded := loadChart(t)
	for _, none := range []any{"", nil} {
		given := valuesOf(t, "minimal")
		given["services"] = object{"feature": object{"resources": object{"cpuLimit": none}}}
		given["setup"] = object{"resources": object{"cpuLimit": none}}
		text, _, err := renderValues(loaded, given)
		if err != nil {
			t.Fatal(err)
		}
		pods := podsOf(t, text)
		for component, limited := range map[string]bool{"feature": false, "setup": false, "backfill": true} {
			resources := pods[component].Spec.Containers[0].Resources
			if _, found := resources.Limits[corev1.ResourceCPU]; found != limited || resources.Limits.Memory().IsZero() {
				t.Errorf("cpuLimit %v: limits of %s are %v", none, component, resources.Limits)
			}
		}
	}
}

// The names of images with each kind of version.
func TestImagesAreOfTheGivenRegistry(t *testing.T) {
	digest := func(digit string) string { return "@sha256:" + strings.Repeat(digit, 64) }
	version := loadChart(t).Metadata.AppVersion
	for set, expected := range map[string]map[string]string{
		"minimal":       {"feature": "registry.example.org/tapeline/feature:" + version},
		"at-least-once": {"feature": "tapeline/feature:" + version},
		"platform": {
			"feature":  "localhost:5000/team/streams/tapeline/feature" + digest("3"),
			"backfill": "localhost:5000/team/streams/tapeline/backfill:0.1.0-rc.1",
			"setup":    "localhost:5000/team/streams/tapeline/tapeline" + digest("5"),
		},
	} {
		pods := podsOf(t, render(t, set))
		for component, image := range expected {
			if found := pods[component].Spec.Containers[0].Image; found != image {
				t.Errorf("%s: the image of %s is %s, expected %s", set, component, found, image)
			}
		}
	}
}

// The Job ends before Helm's default timeout, so that Helm reports its error.
func TestTheHookEndsBeforeHelmDoes(t *testing.T) {
	for _, one := range objects(t, render(t, "minimal")) {
		if job, ok := typed(t, one).(*batchv1.Job); ok && *job.Spec.ActiveDeadlineSeconds >= 300 {
			t.Errorf("the Job may run for %d s", *job.Spec.ActiveDeadlineSeconds)
		}
	}
}
