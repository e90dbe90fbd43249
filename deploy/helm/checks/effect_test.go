package checks

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every value that the schema permits is set by one of the sets, and has an effect there: without it the chart renders something else, or
// is rejected. Values of a service count for all four, because one template renders them.
func TestEveryValueOfTheSchemaHasAnEffectInASet(t *testing.T) {
	loaded := loadChart(t)
	effective := map[string]bool{}
	for _, set := range sets {
		whole, _, err := renderValues(loaded, valuesOf(t, set))
		if err != nil {
			t.Fatalf("%s: %v", set, err)
		}
		for _, path := range schemaPaths(t) {
			if effective[general(path)] {
				continue
			}
			rest := valuesOf(t, set)
			if !remove(rest, strings.Split(path, ".")) {
				continue
			}
			without, _, err := renderValues(loaded, rest)
			effective[general(path)] = err != nil || without != whole
		}
	}
	for _, path := range schemaPaths(t) {
		if slices.Contains(checkedOnly, general(path)) {
			continue
		}
		if effect, ok := effective[general(path)]; !ok {
			t.Errorf("%s is set in none of values/*.yaml", path)
		} else if !effect {
			t.Errorf("%s is set in values/*.yaml, and changes nothing", path)
		}
	}
}

// checkedOnly are values that no template renders: rejections_test.go shows that they are checked.
var checkedOnly = []string{"services.*.resources.stateMib"}

// general is a path with any service or image.
func general(path string) string {
	words := strings.Split(path, ".")
	if words[0] == "services" {
		words[1] = "*"
	} else if strings.HasPrefix(path, "image.digest.") {
		words[2] = "*"
	}
	return strings.Join(words, ".")
}

// remove deletes a path; false if there is none.
func remove(from object, path []string) bool {
	value, ok := from[path[0]]
	if !ok {
		return false
	}
	if len(path) == 1 {
		delete(from, path[0])
		return true
	}
	inner, ok := value.(object)
	return ok && remove(inner, path[1:])
}

// schemaPaths are the paths of all values that the schema permits, without Helm's own `global`.
func schemaPaths(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema object
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	var paths []string
	collect(schema, schema["definitions"].(object), "", &paths)
	paths = slices.DeleteFunc(paths, func(path string) bool { return path == "global" })
	slices.Sort(paths)
	if len(paths) < 100 {
		t.Fatalf("only %d values in the schema", len(paths))
	}
	return paths
}

func collect(schema, definitions object, path string, paths *[]string) {
	if reference, ok := schema["$ref"].(string); ok {
		schema = definitions[strings.TrimPrefix(reference, "#/definitions/")].(object)
	}
	properties, _ := schema["properties"].(object)
	if len(properties) == 0 {
		*paths = append(*paths, path)
		return
	}
	if schema["additionalProperties"] != false {
		panic(path + " permits unknown keys")
	}
	for key, inner := range properties {
		collect(inner.(object), definitions, strings.TrimPrefix(path+"."+key, "."), paths)
	}
}
