{{/* Names of the parts of a release. Each takes (dict "root" $ "service" name) if it needs a service. */}}

{{- define "tapeline.base" -}}
{{- if contains "tapeline" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-tapeline{{ end -}}
{{- end }}

{{- define "tapeline.name" -}}
{{ include "tapeline.base" .root | trunc 40 | trimSuffix "-" }}-{{ .service }}
{{- end }}

{{/* The labels that select: they never change over a release's life. */}}
{{- define "tapeline.selector" -}}
app.kubernetes.io/name: tapeline
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end }}

{{- define "tapeline.labels" -}}
{{ include "tapeline.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* (dict "root" $ "program" name). A digest replaces the tag, because not every container runtime accepts both. */}}
{{- define "tapeline.image" -}}
{{- $image := .root.Values.image -}}
{{- $digest := get ($image.digest | default dict) .program -}}
{{- $version := ternary (printf "@%s" $digest) (printf ":%s" ($image.tag | default .root.Chart.AppVersion)) (ne $digest "") -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}/{{ .program }}{{ $version -}}
{{- end }}

{{/* The kind of the services' workloads. */}}
{{- define "tapeline.workloadKind" -}}
{{ ternary "StatefulSet" "Deployment" (eq (include "tapeline.hasIdentity" .) "true") }}
{{- end }}

{{/* Facts from the code of the services, as JSON: services/tapeline/tests/chart compares them with the code. */}}
{{- define "tapeline.facts" -}}
{{ .Files.Get "files/facts.json" }}
{{- end }}

{{/* The prefix of a program's variables. */}}
{{- define "tapeline.prefix" -}}
{{ .service | upper | replace "-" "_" }}
{{- end }}

{{- define "tapeline.adminPort" -}}
{{- $facts := include "tapeline.facts" .root | fromJson -}}
{{ (index $facts.services .service).defaults.process.admin | splitList ":" | last }}
{{- end }}

{{/* Not empty if a service has a stable identity: its transactional id is `<group>-<ordinal>`, and two of the same fence each other. */}}
{{- define "tapeline.hasIdentity" -}}
{{- if eq .Values.kafka.delivery "transactional" }}true{{ end -}}
{{- end }}

{{- define "tapeline.hasLogin" -}}
{{- if hasPrefix "sasl" .Values.kafka.security.protocol }}true{{ end -}}
{{- end }}

{{- define "tapeline.isEncrypted" -}}
{{- if hasSuffix "ssl" .Values.kafka.security.protocol }}true{{ end -}}
{{- end }}

{{- define "tapeline.caSecret" -}}
{{- $security := .Values.kafka.security -}}
{{- if $security.caSecret }}{{ $security.caSecret }}{{ else if and .Values.strimzi.enabled (include "tapeline.isEncrypted" .) }}{{ .Values.strimzi.cluster }}-cluster-ca-cert{{ end -}}
{{- end }}

{{/* A principal's name and secret: (dict "root" $ "principal" "feature" "credentials" {…}). */}}
{{- define "tapeline.username" -}}
{{ .credentials.username | default (printf "tapeline-%s" .principal) }}
{{- end }}

{{- define "tapeline.secret" -}}
{{ .credentials.secret | default (printf "tapeline-%s" .principal) }}
{{- end }}

{{/* The secrets that the pods of a principal mount, as a JSON list: (dict "root" $ "principal" "feature" "credentials" {…}). */}}
{{- define "tapeline.secretNames" -}}
{{- $names := list (include "tapeline.caSecret" .root) .root.Values.registry.caSecret .root.Values.registry.passwordSecret -}}
{{- if or (include "tapeline.hasLogin" .root) (eq .root.Values.kafka.security.protocol "ssl") }}{{ $names = append $names (include "tapeline.secret" .) }}{{ end -}}
{{ without $names "" | uniq | sortAlpha | toJson }}
{{- end }}
