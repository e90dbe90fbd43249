{{/* Everything that contradicts itself, all at once. Included by configmaps.yaml, so that nothing is rendered without it. */}}
{{- define "tapeline.checks" -}}
{{- $faults := list -}}
{{- $values := .Values -}}
{{- $security := $values.kafka.security -}}
{{- range splitList "," $values.kafka.brokers -}}
{{- if not (regexMatch "^[^:,\\s/]+:[0-9]+$" (trim .)) }}{{ $faults = append $faults (printf "kafka.brokers: %q is no host:port" .) }}{{ end -}}
{{- end -}}
{{- if contains "@" $values.registry.url }}{{ $faults = append $faults "registry.url names a user: secrets are given by reference only, in registry.username and registry.passwordSecret" }}{{ end -}}
{{- if ne (empty $values.registry.username) (empty $values.registry.passwordSecret) }}{{ $faults = append $faults "registry.username and registry.passwordSecret come together" }}{{ end -}}
{{- if and $values.registry.caSecret (not (hasPrefix "https://" $values.registry.url)) }}{{ $faults = append $faults "registry.caSecret is set, but registry.url isn't https" }}{{ end -}}
{{- if eq $values.image.tag "latest" }}{{ $faults = append $faults "image.tag is latest: name a version, so that a rollback finds what ran" }}{{ end -}}
{{- if and $security.caSecret (not (include "tapeline.isEncrypted" .)) }}{{ $faults = append $faults (printf "kafka.security.caSecret is set, but the protocol %s isn't encrypted" $security.protocol) }}{{ end -}}
{{- if and (ne $security.mechanism "scram-sha-512") (not (include "tapeline.hasLogin" .)) }}{{ $faults = append $faults (printf "kafka.security.mechanism is set, but the protocol %s has no login" $security.protocol) }}{{ end -}}
{{- if $values.strimzi.enabled -}}
{{- if not $values.strimzi.cluster }}{{ $faults = append $faults "strimzi.cluster: name the Kafka resource" }}{{ end -}}
{{- if eq $security.protocol "plaintext" }}{{ $faults = append $faults "strimzi.enabled makes users and rights, but kafka.security.protocol plaintext knows no users" }}{{ end -}}
{{- if ne $security.mechanism "scram-sha-512" }}{{ $faults = append $faults "kafka.security.mechanism: Strimzi's users have scram-sha-512" }}{{ end -}}
{{- else if $values.strimzi.cluster }}{{ $faults = append $faults "strimzi.cluster is set, but strimzi.enabled is false" }}{{ end -}}
{{- if and $values.cache.claim (not (include "tapeline.hasIdentity" .)) }}{{ $faults = append $faults "cache.claim needs kafka.delivery transactional: without an identity no pod finds its claim again" }}{{ end -}}
{{- $principals := merge (dict "setup" $values.setup) $values.services -}}
{{- range $name := keys $principals | sortAlpha -}}
{{- $credentials := (index $principals $name).credentials -}}
{{- $at := ternary "setup" (printf "services.%s" $name) (eq $name "setup") -}}
{{- if and $credentials.secret (eq $security.protocol "plaintext") }}{{ $faults = append $faults (printf "%s.credentials.secret is set, but kafka.security.protocol is plaintext" $at) }}{{ end -}}
{{- if and $credentials.username (not (include "tapeline.hasLogin" $)) }}{{ $faults = append $faults (printf "%s.credentials.username is set, but the protocol %s has no login" $at $security.protocol) }}{{ end -}}
{{- if and $values.strimzi.enabled (or $credentials.username $credentials.secret) }}{{ $faults = append $faults (printf "%s.credentials is set, but strimzi.enabled makes user and secret" $at) }}{{ end -}}
{{- end -}}
{{- range $name := keys $values.services | sortAlpha -}}
{{- $faults = concat $faults (include "tapeline.serviceFaults" (dict "root" $ "service" $name) | fromJsonArray) -}}
{{- end -}}
{{- if $faults }}{{ fail (printf "these values can't be:\n- %s" (join "\n- " $faults)) }}{{ end -}}
{{- end }}

{{/* The faults of one service, as a JSON list. */}}
{{- define "tapeline.serviceFaults" -}}
{{- $at := printf "services.%s" .service -}}
{{- $values := .root.Values -}}
{{- $service := index $values.services .service -}}
{{- $facts := include "tapeline.facts" .root | fromJson -}}
{{- $defaults := (index $facts.services .service).defaults -}}
{{- $faults := include "tapeline.configFaults" (dict "at" (printf "%s.config" $at) "given" $service.config "known" $defaults "owned" (include "tapeline.chartConfig" . | fromJson)) | fromJsonArray -}}
{{- $partitions := int $values.kafka.partitions -}}
{{- if gt (int $service.replicas) $partitions }}{{ $faults = append $faults (printf "%s.replicas %d: at most kafka.partitions, %d, find work" $at (int $service.replicas) $partitions) }}{{ end -}}
{{- $scaling := $service.autoscaling -}}
{{- if ne $values.autoscaling.kind "none" -}}
{{- if gt (int $scaling.max) $partitions }}{{ $faults = append $faults (printf "%s.autoscaling.max %d: at most kafka.partitions, %d, find work" $at (int $scaling.max) $partitions) }}{{ end -}}
{{- if gt (int $scaling.min) (int $scaling.max) }}{{ $faults = append $faults (printf "%s.autoscaling.min %d is above max %d" $at (int $scaling.min) (int $scaling.max)) }}{{ end -}}
{{- end -}}
{{- if not $faults -}}
{{- $times := include "tapeline.times" . | fromJson -}}
{{- $poll := int64 (dig "kafka" "max_poll_interval_ms" $defaults.kafka.max_poll_interval_ms $service.config) -}}
{{- if ge (int64 (add $times.drain $times.commit)) $poll }}{{ $faults = append $faults (printf "drainSeconds %d: with %s.config.kafka.commit_timeout_ms it must stay under max_poll_interval_ms %d" (int $values.drainSeconds) $at $poll) }}{{ end -}}
{{- $bytes := int64 (include "tapeline.memoryBytes" .) -}}
{{- $needed := add 1 (div (div (mul $bytes 100) 80) 1048576) -}}
{{- if lt (int64 $service.resources.memoryMib) (int64 $needed) }}{{ $faults = append $faults (printf "%s.resources.memoryMib %d: its configuration may hold %d MiB, four fifths of %d; raise it, or lower config.kafka.prefetch_kib (ADR 058)" $at (int $service.resources.memoryMib) (div $bytes 1048576) $needed) }}{{ end -}}
{{- end -}}
{{ $faults | toJson }}
{{- end }}

{{/* Where a configuration differs in kind from the service's own defaults, or says what the chart says: a JSON list. */}}
{{- define "tapeline.configFaults" -}}
{{- $faults := list -}}
{{- $known := .known -}}
{{- $owned := .owned -}}
{{- $at := .at -}}
{{- range $key := keys .given | sortAlpha -}}
{{- $value := index $.given $key -}}
{{- $here := printf "%s.%s" $at $key -}}
{{- if not (hasKey $known $key) -}}
{{- $faults = append $faults (printf "%s: unknown key; known are %s" $here (keys $known | sortAlpha | join ", ")) -}}
{{- else -}}
{{- $default := index $known $key -}}
{{- $mine := dict -}}
{{- if hasKey $owned $key }}{{ $mine = index $owned $key }}{{ end -}}
{{- if and (hasKey $owned $key) (not (kindIs "map" $mine)) -}}
{{- $faults = append $faults (printf "%s: the chart says it" $here) -}}
{{- else if or (hasSuffix ".kafka.security" $here) (and (hasSuffix ".registry" $at) (has $key (list "ca_file" "username" "password"))) (and (hasSuffix ".kafka" $at) (has $key (list "ordinal" "ordinal_from_host" "profile"))) -}}
{{- $faults = append $faults (printf "%s: the chart says it" $here) -}}
{{- else if and (kindIs "map" $default) (not (kindIs "map" $value)) -}}
{{- $faults = append $faults (printf "%s: a section" $here) -}}
{{- else if hasSuffix ".kafka.options" $here -}}
{{- range $option, $text := $value }}{{ if not (kindIs "string" $text) }}{{ $faults = append $faults (printf "%s.%s: a text, as librdkafka takes it" $here $option) }}{{ end }}{{ end -}}
{{- else if kindIs "map" $default -}}
{{- $faults = concat $faults (include "tapeline.configFaults" (dict "at" $here "given" $value "known" $default "owned" $mine) | fromJsonArray) -}}
{{- else if kindIs "float64" $default -}}
{{- if not (or (kindIs "int64" $value) (and (kindIs "float64" $value) (eq (floor $value) $value))) }}{{ $faults = append $faults (printf "%s: a whole number, as %d" $here (int64 $default)) }}{{ end -}}
{{- else if kindIs "slice" $default -}}
{{- if not (kindIs "slice" $value) }}{{ $faults = append $faults (printf "%s: a list" $here) }}{{ end -}}
{{- else if not (kindIs (ternary "string" (kindOf $default) (kindIs "invalid" $default)) $value) -}}
{{- $faults = append $faults (printf "%s: a %s" $here (ternary "string" (kindOf $default) (kindIs "invalid" $default))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ $faults | toJson }}
{{- end }}
