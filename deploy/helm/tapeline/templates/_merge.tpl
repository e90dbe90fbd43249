{{/* Values that exist for all pods and once more for each service and for the setup: maps are merged, lists are appended, other values
     are replaced. Each takes (dict "root" $ "service" name "key" key) and returns JSON; service may be setup. */}}
{{- define "tapeline.ownValues" -}}
{{- if eq .service "setup" }}{{ .root.Values.setup | toJson }}{{ else }}{{ index .root.Values.services .service | toJson }}{{ end -}}
{{- end }}

{{- define "tapeline.mergedMap" -}}
{{- $own := include "tapeline.ownValues" . | fromJson -}}
{{ mergeOverwrite dict (get .root.Values .key | default dict) (get $own .key | default dict) | toJson }}
{{- end }}

{{- define "tapeline.mergedList" -}}
{{- $own := include "tapeline.ownValues" . | fromJson -}}
{{ concat (get .root.Values .key | default list) (get $own .key | default list) | toJson }}
{{- end }}

{{- define "tapeline.replaced" -}}
{{- $own := include "tapeline.ownValues" . | fromJson -}}
{{ get $own .key | default (get .root.Values .key) | toJson }}
{{- end }}

{{/* Annotations of a service account, which may be empty. */}}
{{- define "tapeline.accountAnnotations" -}}
{{- $own := include "tapeline.ownValues" . | fromJson -}}
{{ mergeOverwrite dict (dig "annotations" dict (.root.Values.serviceAccount | default dict)) (dig "serviceAccount" "annotations" dict $own) | toJson }}
{{- end }}

{{/* The names of volumes and the paths of mounts that the chart uses itself. */}}
{{- define "tapeline.chartVolumes" -}}
{{ list "config" "state" "tmp" "kafka-ca" "kafka-user" "registry-ca" "registry-user" "bars" | toJson }}
{{- end }}

{{- define "tapeline.chartPaths" -}}
{{ list "/" "/etc/tapeline" "/var/lib/tapeline" "/tmp" "/run/secrets/kafka-ca" "/run/secrets/kafka" "/run/secrets/registry-ca" "/run/secrets/registry" "/srv/bars" "/usr/local/bin" | toJson }}
{{- end }}
