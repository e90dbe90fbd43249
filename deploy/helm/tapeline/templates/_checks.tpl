{{/* Reports all contradictions at once. Included by configmaps.yaml, so that nothing is rendered without it. */}}
{{- define "tapeline.checks" -}}
{{- $errors := list -}}
{{- $values := .Values -}}
{{- $security := $values.kafka.security -}}
{{- range splitList "," $values.kafka.brokers -}}
{{- if not (regexMatch "^[^:,\\s/]+:[0-9]+$" (trim .)) }}{{ $errors = append $errors (printf "kafka.brokers: %q is not host:port" .) }}{{ end -}}
{{- end -}}
{{- if contains "@" $values.registry.url }}{{ $errors = append $errors "registry.url contains a user: set registry.username and registry.passwordSecret instead, secrets are set by reference only" }}{{ end -}}
{{- if ne (empty $values.registry.username) (empty $values.registry.passwordSecret) }}{{ $errors = append $errors "registry.username and registry.passwordSecret must be set together" }}{{ end -}}
{{- if and $values.registry.caSecret (not (hasPrefix "https://" $values.registry.url)) }}{{ $errors = append $errors "registry.caSecret is set, but registry.url is not https" }}{{ end -}}
{{- $errors = concat $errors (include "tapeline.imageErrors" . | fromJsonArray) (include "tapeline.networkErrors" . | fromJsonArray) -}}
{{- $errors = concat $errors (include "tapeline.podErrors" (dict "root" $ "at" "" "given" $values) | fromJsonArray) -}}
{{- $errors = concat $errors (include "tapeline.podErrors" (dict "root" $ "at" "setup." "given" $values.setup) | fromJsonArray) -}}
{{- if and $security.caSecret (not (include "tapeline.isEncrypted" .)) }}{{ $errors = append $errors (printf "kafka.security.caSecret is set, but the protocol %s is not encrypted" $security.protocol) }}{{ end -}}
{{- if and (ne $security.mechanism "scram-sha-512") (not (include "tapeline.hasLogin" .)) }}{{ $errors = append $errors (printf "kafka.security.mechanism is set, but the protocol %s has no login" $security.protocol) }}{{ end -}}
{{- if $values.strimzi.enabled -}}
{{- if not $values.strimzi.cluster }}{{ $errors = append $errors "strimzi.cluster: set the name of the Kafka resource" }}{{ end -}}
{{- if eq $security.protocol "plaintext" }}{{ $errors = append $errors "strimzi.enabled creates users and ACLs, but kafka.security.protocol plaintext has no users" }}{{ end -}}
{{- if ne $security.mechanism "scram-sha-512" }}{{ $errors = append $errors "kafka.security.mechanism: users of Strimzi require scram-sha-512" }}{{ end -}}
{{- else if $values.strimzi.cluster }}{{ $errors = append $errors "strimzi.cluster is set, but strimzi.enabled is false" }}{{ end -}}
{{- if and $values.cache.claim (not (include "tapeline.hasIdentity" .)) }}{{ $errors = append $errors "cache.claim needs kafka.delivery transactional: without a stable identity a pod does not keep its claim" }}{{ end -}}
{{- $principals := merge (dict "setup" $values.setup) $values.services -}}
{{- range $name := keys $principals | sortAlpha -}}
{{- $credentials := (index $principals $name).credentials -}}
{{- $at := ternary "setup" (printf "services.%s" $name) (eq $name "setup") -}}
{{- if and $credentials.secret (eq $security.protocol "plaintext") }}{{ $errors = append $errors (printf "%s.credentials.secret is set, but kafka.security.protocol is plaintext" $at) }}{{ end -}}
{{- if and $credentials.username (not (include "tapeline.hasLogin" $)) }}{{ $errors = append $errors (printf "%s.credentials.username is set, but the protocol %s has no login" $at $security.protocol) }}{{ end -}}
{{- if and $values.strimzi.enabled (or $credentials.username $credentials.secret) }}{{ $errors = append $errors (printf "%s.credentials is set, but strimzi.enabled creates user and secret" $at) }}{{ end -}}
{{- end -}}
{{- range $name := keys $values.services | sortAlpha -}}
{{- $errors = concat $errors (include "tapeline.podErrors" (dict "root" $ "at" (printf "services.%s." $name) "given" (index $values.services $name)) | fromJsonArray) -}}
{{- $errors = concat $errors (include "tapeline.serviceErrors" (dict "root" $ "service" $name) | fromJsonArray) -}}
{{- end -}}
{{- if $errors }}{{ fail (printf "invalid values:\n- %s" (join "\n- " $errors)) }}{{ end -}}
{{- end }}

{{/* The validation errors of one service, as a JSON list. */}}
{{- define "tapeline.serviceErrors" -}}
{{- $at := printf "services.%s" .service -}}
{{- $values := .root.Values -}}
{{- $service := index $values.services .service -}}
{{- $facts := include "tapeline.facts" .root | fromJson -}}
{{- $defaults := (index $facts.services .service).defaults -}}
{{- $errors := include "tapeline.configErrors" (dict "at" (printf "%s.config" $at) "given" $service.config "known" $defaults "owned" (include "tapeline.chartConfig" . | fromJson)) | fromJsonArray -}}
{{- $partitions := int $values.kafka.partitions -}}
{{- if gt (int $service.replicas) $partitions }}{{ $errors = append $errors (printf "%s.replicas %d: at most kafka.partitions, %d, get partitions" $at (int $service.replicas) $partitions) }}{{ end -}}
{{- $scaling := $service.autoscaling -}}
{{- if ne $values.autoscaling.kind "none" -}}
{{- if gt (int $scaling.max) $partitions }}{{ $errors = append $errors (printf "%s.autoscaling.max %d: at most kafka.partitions, %d, get partitions" $at (int $scaling.max) $partitions) }}{{ end -}}
{{- if gt (int $scaling.min) (int $scaling.max) }}{{ $errors = append $errors (printf "%s.autoscaling.min %d is above max %d" $at (int $scaling.min) (int $scaling.max)) }}{{ end -}}
{{- end -}}
{{- if not $errors -}}
{{- $times := include "tapeline.times" . | fromJson -}}
{{- $poll := int64 (dig "kafka" "max_poll_interval_ms" $defaults.kafka.max_poll_interval_ms $service.config) -}}
{{- if ge (int64 (add $times.drain $times.commit)) $poll }}{{ $errors = append $errors (printf "drainSeconds %d: with %s.config.kafka.commit_timeout_ms it must be below max_poll_interval_ms %d" (int $values.drainSeconds) $at $poll) }}{{ end -}}
{{- $bytes := int64 (include "tapeline.memoryBytes" .) -}}
{{- $needed := add 1 (div (div (mul $bytes 100) 80) 1048576) -}}
{{- if lt (int64 $service.resources.memoryMib) (int64 $needed) }}{{ $errors = append $errors (printf "%s.resources.memoryMib %d: its configuration may hold %d MiB, four fifths of %d; raise it, or lower config.kafka.prefetch_kib (ADR 058)" $at (int $service.resources.memoryMib) (div $bytes 1048576) $needed) }}{{ end -}}
{{- end -}}
{{ $errors | toJson }}
{{- end }}

{{/* Keys of a configuration that differ in kind from the service's defaults, or that the chart sets: a JSON list. */}}
{{- define "tapeline.configErrors" -}}
{{- $errors := list -}}
{{- $known := .known -}}
{{- $owned := .owned -}}
{{- $at := .at -}}
{{- range $key := keys .given | sortAlpha -}}
{{- $value := index $.given $key -}}
{{- $here := printf "%s.%s" $at $key -}}
{{- if not (hasKey $known $key) -}}
{{- $errors = append $errors (printf "%s: unknown key; known are %s" $here (keys $known | sortAlpha | join ", ")) -}}
{{- else -}}
{{- $default := index $known $key -}}
{{- $part := dict -}}
{{- if hasKey $owned $key }}{{ $part = index $owned $key }}{{ end -}}
{{- if and (hasKey $owned $key) (not (kindIs "map" $part)) -}}
{{- $errors = append $errors (printf "%s: set by the chart" $here) -}}
{{- else if or (hasSuffix ".kafka.security" $here) (and (hasSuffix ".registry" $at) (has $key (list "ca_file" "username" "password"))) (and (hasSuffix ".kafka" $at) (has $key (list "ordinal" "ordinal_from_host" "profile"))) -}}
{{- $errors = append $errors (printf "%s: set by the chart" $here) -}}
{{- else if and (kindIs "map" $default) (not (kindIs "map" $value)) -}}
{{- $errors = append $errors (printf "%s: expected a section" $here) -}}
{{- else if hasSuffix ".kafka.options" $here -}}
{{- range $option, $text := $value }}{{ if not (kindIs "string" $text) }}{{ $errors = append $errors (printf "%s.%s: expected a string, as librdkafka requires" $here $option) }}{{ end }}{{ end -}}
{{- else if kindIs "map" $default -}}
{{- $errors = concat $errors (include "tapeline.configErrors" (dict "at" $here "given" $value "known" $default "owned" $part) | fromJsonArray) -}}
{{- else if eq (toString $default) "[unset]" -}}
{{- if not (and (kindIs "map" $value) (eq (toString (keys $value)) "[file]")) }}{{ $errors = append $errors (printf "%s: expected {file: PATH}, because values have no secrets" $here) }}{{ end -}}
{{- else if kindIs "float64" $default -}}
{{- if not (or (kindIs "int64" $value) (and (kindIs "float64" $value) (eq (floor $value) $value))) }}{{ $errors = append $errors (printf "%s: expected a whole number, for example %d" $here (int64 $default)) }}{{ end -}}
{{- else if kindIs "slice" $default -}}
{{- if not (kindIs "slice" $value) }}{{ $errors = append $errors (printf "%s: expected a list" $here) }}{{ end -}}
{{- else if not (kindIs (ternary "string" (kindOf $default) (kindIs "invalid" $default)) $value) -}}
{{- $errors = append $errors (printf "%s: expected a %s" $here (ternary "string" (kindOf $default) (kindIs "invalid" $default))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ $errors | toJson }}
{{- end }}
