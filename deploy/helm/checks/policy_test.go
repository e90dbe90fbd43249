package checks

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// typed is an object in its Kubernetes type; nil for kinds that Kubernetes does not define.
func typed(t *testing.T, one object) runtime.Object {
	t.Helper()
	text, err := json.Marshal(one)
	if err != nil {
		t.Fatal(err)
	}
	read, _, err := strict.Decode(text, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// pod is the pod template of an object, or nil; isService is false for a Job.
func pod(t *testing.T, one object) (template *corev1.PodTemplateSpec, isService bool) {
	switch made := typed(t, one).(type) {
	case *appsv1.StatefulSet:
		return &made.Spec.Template, true
	case *appsv1.Deployment:
		return &made.Spec.Template, true
	case *batchv1.Job:
		return &made.Spec.Template, false
	default:
		return nil, false
	}
}

// The profile is evaluated by the code of Kubernetes.
func TestPodsKeepTheRestrictedProfile(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	eachObject(t, func(t *testing.T, one object) {
		template, _ := pod(t, one)
		if template == nil {
			return
		}
		for _, result := range evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec) {
			if !result.Allowed {
				t.Errorf("%s: %s: %s", name(one), result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
	})
}

func TestContainersAreBoundedPinnedAndReadOnly(t *testing.T) {
	eachObject(t, func(t *testing.T, one object) {
		template, _ := pod(t, one)
		if template == nil {
			return
		}
		spec := template.Spec
		if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
			t.Errorf("%s: its pods hold a token", name(one))
		}
		if spec.ServiceAccountName == "" || spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
			t.Errorf("%s: no account of its own, or service links", name(one))
		}
		for _, container := range append(spec.InitContainers, spec.Containers...) {
			at := name(one) + ", " + container.Name
			limits, requests := container.Resources.Limits, container.Resources.Requests
			if limits.Memory().IsZero() || requests.Memory().Cmp(*limits.Memory()) != 0 || requests.Cpu().IsZero() {
				t.Errorf("%s: its memory is not bounded and requested, or it requests no CPU", at)
			}
			if !isPinned(container.Image) {
				t.Errorf("%s: image %s has no version", at, container.Image)
			}
			security := container.SecurityContext
			if security == nil || security.ReadOnlyRootFilesystem == nil || !*security.ReadOnlyRootFilesystem {
				t.Errorf("%s: its root file system can be written", at)
			}
			for _, variable := range container.Env {
				if variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil {
					t.Errorf("%s: %s puts a secret into the environment", at, variable.Name)
				}
			}
		}
	})
}

// isPinned is true for an image with a digest or with a tag other than latest.
func isPinned(image string) bool {
	last := image[strings.LastIndex(image, "/")+1:]
	if _, digest, ok := strings.Cut(last, "@"); ok {
		return strings.HasPrefix(digest, "sha256:")
	}
	_, tag, ok := strings.Cut(last, ":")
	return ok && tag != "latest"
}

func TestNoSecretIsRendered(t *testing.T) {
	eachObject(t, func(t *testing.T, one object) {
		if _, isSecret := typed(t, one).(*corev1.Secret); isSecret {
			t.Errorf("%s: secrets are referenced, not created", name(one))
		}
	})
}

func TestServicesAreProbedOnTheAdminPort(t *testing.T) {
	eachObject(t, func(t *testing.T, one object) {
		template, isService := pod(t, one)
		if !isService {
			return
		}
		container := template.Spec.Containers[0]
		paths := map[string]*corev1.Probe{"/live": container.LivenessProbe, "/ready": container.ReadinessProbe}
		for path, probe := range paths {
			if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != "admin" {
				t.Errorf("%s: no probe of %s on the admin port", name(one), path)
			}
		}
		if container.StartupProbe == nil || len(template.Spec.TopologySpreadConstraints) == 0 {
			t.Errorf("%s: no startup probe, or nothing that spreads its pods", name(one))
		}
	})
}

// A stable identity is used with transactions only, where the ordinal comes from the pod's label.
func TestAnOrdinalGoesWithAStatefulSet(t *testing.T) {
	eachObject(t, func(t *testing.T, one object) {
		template, isService := pod(t, one)
		if !isService {
			return
		}
		hasOrdinal := false
		for _, variable := range template.Spec.Containers[0].Env {
			hasOrdinal = hasOrdinal || strings.HasSuffix(variable.Name, "__KAFKA__ORDINAL")
		}
		if hasOrdinal != (one["kind"] == "StatefulSet") {
			t.Errorf("%s: ordinal %v", name(one), hasOrdinal)
		}
	})
}

// Every pod of a release is denied everything first, and a service's selectors find its pods alone.
func TestSelectorsFindTheirPods(t *testing.T) {
	for _, set := range sets {
		t.Run(set, func(t *testing.T) {
			all := objects(t, render(t, set))
			pods := map[string]labels.Set{}
			for _, one := range all {
				if template, _ := pod(t, one); template != nil {
					pods[name(one)] = template.Labels
				}
			}
			denied, policies := 0, 0
			for _, one := range all {
				read := typed(t, one)
				if policy, ok := read.(*networkingv1.NetworkPolicy); ok && len(policy.Spec.Ingress)+len(policy.Spec.Egress) == 0 {
					policies, denied = 1, count(t, &policy.Spec.PodSelector, pods)
				}
				if service, ok := read.(*corev1.Service); ok && count(t, &metav1.LabelSelector{MatchLabels: service.Spec.Selector}, pods) != 1 {
					t.Errorf("%s does not select the pods of one service", name(one))
				}
			}
			if policies == 1 && denied != len(pods) {
				t.Errorf("%d of %d kinds of pods are denied everything first", denied, len(pods))
			}
			if policies == 0 && set != "at-least-once" {
				t.Error("nothing is denied")
			}
		})
	}
}

func count(t *testing.T, given *metav1.LabelSelector, pods map[string]labels.Set) int {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(given)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, labels := range pods {
		if selector.Matches(labels) {
			found++
		}
	}
	return found
}

// scalerKeys are the settings of KEDA's Kafka scaler that the chart uses: its definition accepts any string there.
var scalerKeys = []string{"bootstrapServers", "consumerGroup", "topic", "lagThreshold", "offsetResetPolicy", "excludePersistentLag", "allowIdleConsumers", "sasl", "tls"}

// In golden production values all four have room for 24 partitions, and KEDA counts them by topic.
func TestLagIsReadForEveryTopicOfWork(t *testing.T) {
	topics := map[string]bool{}
	for _, one := range objects(t, render(t, "production")) {
		if one["kind"] != "ScaledObject" {
			continue
		}
		spec := one["spec"].(object)
		if spec["maxReplicaCount"].(float64) > 24 {
			t.Errorf("%s: more replicas than partitions", name(one))
		}
		for _, trigger := range spec["triggers"].([]any) {
			metadata := trigger.(object)["metadata"].(object)
			if topic, ok := metadata["topic"].(string); ok {
				topics[topic] = true
				for key := range metadata {
					if !slices.Contains(scalerKeys, key) {
						t.Errorf("%s: KEDA's Kafka scaler has no %s", name(one), key)
					}
				}
				if metadata["excludePersistentLag"] != "true" || metadata["allowIdleConsumers"] != "false" {
					t.Errorf("%s: %s counts lag that no replica could reduce", name(one), topic)
				}
			}
		}
	}
	if len(topics) != 8 {
		t.Errorf("lag of %d topics is read, services read 8: %v", len(topics), topics)
	}
}

// The setup of an upgrade runs under the policies of the previous values. Its own is installed before it, with the egress of the new ones.
func TestSetupHasAPolicyOfItsOwnBeforeIt(t *testing.T) {
	for _, set := range sets {
		t.Run(set, func(t *testing.T) {
			var setup, all *networkingv1.NetworkPolicy
			job := false
			for _, one := range objects(t, render(t, set)) {
				template, isService := pod(t, one)
				job = job || template != nil && !isService
				policy, ok := typed(t, one).(*networkingv1.NetworkPolicy)
				if !ok || len(policy.Spec.Egress) == 0 {
					continue
				}
				if policy.Annotations["helm.sh/hook"] != "" {
					setup = policy
				} else {
					all = policy
				}
			}
			if all == nil || !job {
				return
			}
			if setup == nil {
				t.Fatal("the setup has no policy")
			}
			selected := setup.Spec.PodSelector.MatchLabels["app.kubernetes.io/component"]
			if selected != "setup" || setup.Annotations["helm.sh/hook-weight"] != "-1" || len(setup.Spec.PolicyTypes) != 2 {
				t.Errorf("selects %q, weight %s, types %v", selected, setup.Annotations["helm.sh/hook-weight"], setup.Spec.PolicyTypes)
			}
			if !reflect.DeepEqual(setup.Spec.Egress, all.Spec.Egress) {
				t.Errorf("egress %v, that of the services %v", setup.Spec.Egress, all.Spec.Egress)
			}
		})
	}
}
