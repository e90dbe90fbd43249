{{/* A map as TOML: (dict "map" {…} "path" ""). toToml of Helm writes whole numbers as floats, which a typed configuration rejects. */}}
{{- define "tapeline.toml" -}}
{{- $path := .path -}}
{{- $map := .map -}}
{{- range $key := keys $map | sortAlpha }}
{{- $value := index $map $key }}
{{- if not (kindIs "map" $value) }}
{{ include "tapeline.tomlKey" $key }} = {{ include "tapeline.tomlValue" $value }}
{{- end }}
{{- end }}
{{- range $key := keys $map | sortAlpha }}
{{- $value := index $map $key }}
{{- if kindIs "map" $value }}
{{- $inner := ternary (include "tapeline.tomlKey" $key) (printf "%s.%s" $path (include "tapeline.tomlKey" $key)) (eq $path "") }}

[{{ $inner }}]
{{- include "tapeline.toml" (dict "map" $value "path" $inner) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tapeline.tomlKey" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ . | quote }}{{ end -}}
{{- end }}

{{- define "tapeline.tomlValue" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end }}
