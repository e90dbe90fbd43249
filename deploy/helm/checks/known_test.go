package checks

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

var strict = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

// Kinds of Kubernetes are decoded and encoded by its types; the others are validated by the schemas of their definitions.
func TestEveryFieldIsKnown(t *testing.T) {
	definitions := loadDefinitions(t)
	eachObject(t, func(t *testing.T, one object) {
		var problem error
		if definition, ok := definitions[fmt.Sprint(one["apiVersion"], " ", one["kind"])]; ok {
			problem = definition.check(one)
		} else {
			problem = checkTyped(one)
		}
		if problem != nil {
			t.Errorf("%s: %v", name(one), problem)
		}
	})
}

func checkTyped(one object) error {
	given, err := json.Marshal(one)
	if err != nil {
		return err
	}
	typed, _, err := strict.Decode(given, nil, nil)
	if err != nil {
		return err
	}
	written, err := json.Marshal(typed)
	if err != nil {
		return err
	}
	var result any
	if err := json.Unmarshal(written, &result); err != nil {
		return err
	}
	// Through JSON as well, so that both have its kinds of numbers.
	var sent any
	if err := json.Unmarshal(given, &sent); err != nil {
		return err
	}
	if lost := lostFields("", sent, result); len(lost) > 0 {
		return fmt.Errorf("lost or changed by its type: %s", strings.Join(lost, ", "))
	}
	return nil
}

// lostFields lists the fields of `given` that are not in `result`.
func lostFields(path string, given, result any) []string {
	switch given := given.(type) {
	case object:
		other, _ := result.(object)
		var lost []string
		for key, value := range given {
			lost = append(lost, lostFields(path+"."+key, value, other[key])...)
		}
		if len(given) == 0 && other == nil {
			lost = append(lost, path)
		}
		return lost
	case []any:
		other, _ := result.([]any)
		if len(other) != len(given) {
			return []string{path}
		}
		var lost []string
		for i := range given {
			lost = append(lost, lostFields(fmt.Sprintf("%s[%d]", path, i), given[i], other[i])...)
		}
		return lost
	default:
		if given != result && !sameQuantity(given, result) {
			return []string{fmt.Sprintf("%s = %v", path, given)}
		}
		return nil
	}
}

// sameQuantity: 1024Mi is encoded as 1Gi.
func sameQuantity(given, result any) bool {
	one, err := resource.ParseQuantity(fmt.Sprint(given))
	if err != nil {
		return false
	}
	other, err := resource.ParseQuantity(fmt.Sprint(result))
	return err == nil && one.Cmp(other) == 0
}

// definition is the schema of one version of a custom kind.
type definition struct {
	fields    *structural.Structural
	validator validation.SchemaValidator
}

func (d definition) check(one object) error {
	unknown := pruning.PruneWithOptions(one, d.fields, true, structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	if len(unknown) > 0 {
		return fmt.Errorf("unknown fields: %s", strings.Join(unknown, ", "))
	}
	return validation.ValidateCustomResource(nil, one, d.validator).ToAggregate()
}

// loadDefinitions reads the definitions that deploy/helm/check has collected: those of KEDA and the Prometheus operator from their modules,
// those of Strimzi from crds/, which is maintained by hand.
func loadDefinitions(t *testing.T) map[string]definition {
	t.Helper()
	found := map[string]definition{}
	for _, folder := range []string{"crds", os.Getenv("CRDS")} {
		paths, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err != nil || folder == "" || len(paths) == 0 {
			t.Fatalf("no definitions in %q (deploy/helm/check sets CRDS): %v", folder, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, document := range strings.Split("\n"+string(text), "\n---\n") {
				addDefinitions(t, document, found)
			}
		}
	}
	return found
}

func addDefinitions(t *testing.T, document string, found map[string]definition) {
	t.Helper()
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal([]byte(document), &crd); err != nil {
		t.Fatal(err)
	}
	for _, version := range crd.Spec.Versions {
		var schema apiextensions.JSONSchemaProps
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, &schema, nil); err != nil {
			t.Fatal(err)
		}
		fields, err := structural.NewStructural(&schema)
		if err != nil {
			t.Fatal(err)
		}
		validator, _, err := validation.NewSchemaValidator(&schema)
		if err != nil {
			t.Fatal(err)
		}
		found[fmt.Sprintf("%s/%s %s", crd.Spec.Group, version.Name, crd.Spec.Names.Kind)] = definition{fields, validator}
	}
}
