{{/* The validation errors of the values for all pods, or of those of one service or the setup, as a JSON list: (dict "root" $ "at" path
     "given" values). `at` is empty for all pods. */}}
{{- define "tapeline.podErrors" -}}
{{- $errors := list -}}
{{- $at := .at -}}
{{- $prefixes := list "TAPELINE__" -}}
{{- range $name, $_ := .root.Values.services }}{{ $prefixes = append $prefixes (printf "%s__" (include "tapeline.prefix" (dict "service" $name))) }}{{ end -}}
{{- $variables := list -}}
{{- if $at }}{{ range .root.Values.extraEnv }}{{ $variables = append $variables .name }}{{ end }}{{ end -}}
{{- range .given.extraEnv -}}
{{- $variable := .name -}}
{{- if has $variable $variables }}{{ $errors = append $errors (printf "%sextraEnv: %s is defined twice" $at $variable) }}{{ end -}}
{{- $variables = append $variables $variable -}}
{{- range $prefixes }}{{ if hasPrefix . $variable }}{{ $errors = append $errors (printf "%sextraEnv: %s is a setting: set it in services.<service>.config, which is checked" $at $variable) }}{{ end }}{{ end -}}
{{- end -}}
{{- range $label, $_ := .given.podLabels -}}
{{- if has $label (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "apps.kubernetes.io/pod-index") }}{{ $errors = append $errors (printf "%spodLabels: %s is set by the chart, whose selectors need it" $at $label) }}{{ end -}}
{{- end -}}
{{- range $annotation, $_ := .given.podAnnotations -}}
{{- if hasPrefix "tapeline/" $annotation }}{{ $errors = append $errors (printf "%spodAnnotations: %s is set by the chart" $at $annotation) }}{{ end -}}
{{- end -}}
{{- $volumes := list -}}
{{- if $at }}{{ range .root.Values.extraVolumes }}{{ $volumes = append $volumes .name }}{{ end }}{{ end -}}
{{- range .given.extraVolumes -}}
{{- if has .name (include "tapeline.chartVolumes" $ | fromJsonArray) }}{{ $errors = append $errors (printf "%sextraVolumes: %s is a volume of the chart" $at .name) }}{{ end -}}
{{- if has .name $volumes }}{{ $errors = append $errors (printf "%sextraVolumes: %s is defined twice" $at .name) }}{{ end -}}
{{- $volumes = append $volumes .name -}}
{{- end -}}
{{- $paths := include "tapeline.chartPaths" $ | fromJsonArray -}}
{{- if $at }}{{ range .root.Values.extraVolumeMounts }}{{ $paths = append $paths (clean .mountPath) }}{{ end }}{{ end -}}
{{- range .given.extraVolumeMounts -}}
{{- if not (has .name $volumes) }}{{ $errors = append $errors (printf "%sextraVolumeMounts: no volume %s in extraVolumes" $at .name) }}{{ end -}}
{{- if has (clean .mountPath) $paths }}{{ $errors = append $errors (printf "%sextraVolumeMounts: %s is mounted already" $at .mountPath) }}{{ end -}}
{{- $paths = append $paths (clean .mountPath) -}}
{{- end -}}
{{ $errors | toJson }}
{{- end }}

{{/* The validation errors of the section image, as a JSON list. */}}
{{- define "tapeline.imageErrors" -}}
{{- $errors := list -}}
{{- $image := .Values.image -}}
{{- if eq $image.tag "latest" }}{{ $errors = append $errors "image.tag is latest: set a version, so that a rollback restores the previous image" }}{{ end -}}
{{- $host := splitList "/" $image.registry | first -}}
{{- if and (not $image.registry) (ne $image.pullPolicy "Never") -}}
{{- $errors = append $errors (printf "image.registry: set the registry to which deploy/images/push has pushed the images; without one the container runtime pulls docker.io/%s/…, which is not of this project. It may be empty if image.pullPolicy is Never" $image.repository) -}}
{{- else if and $image.registry (not (regexMatch "[.:]|^localhost$" $host)) -}}
{{- $errors = append $errors (printf "image.registry: %q is not a host, so the container runtime would pull docker.io/%s/…: begin with a host name, for example registry.example.org/%s" $image.registry $image.registry $image.registry) -}}
{{- end -}}
{{ $errors | toJson }}
{{- end }}

{{/* The validation errors of the section networkPolicy, as a JSON list. */}}
{{- define "tapeline.networkErrors" -}}
{{- $errors := list -}}
{{- range .Values.networkPolicy.kafkaPorts -}}
{{- $range := splitList "-" (toString .) -}}
{{- $first := first $range | int -}}
{{- $last := last $range | int -}}
{{- if or (lt $first 1) (gt $last 65535) (gt $first $last) }}{{ $errors = append $errors (printf "networkPolicy.kafkaPorts: %s is not a range of ports" (toString .)) }}{{ end -}}
{{- end -}}
{{ $errors | toJson }}
{{- end }}
