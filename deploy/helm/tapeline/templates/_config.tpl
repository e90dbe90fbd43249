{{/* The times that follow from drainSeconds, in milliseconds and seconds, as JSON: (dict "root" $ "service" name).
     kafka.drain_budget_ms + commit_timeout_ms < transaction_timeout_ms (the service checks it at start)
     drain + commit + 7 s (flush, leave)      <= process.drain_budget_ms
     preStop + process.drain_budget_ms + 5 s  <= terminationGracePeriodSeconds (2 s: the runtime's end; 3 s: margin)
     The last request of the edge may take the timeouts of its body and of its acknowledgement. */}}
{{- define "tapeline.times" -}}
{{- $given := (index .root.Values.services .service).config -}}
{{- $facts := include "tapeline.facts" .root | fromJson -}}
{{- $defaults := (index $facts.services .service).defaults -}}
{{- $drain := mul .root.Values.drainSeconds 1000 -}}
{{- $commit := int64 (dig "kafka" "commit_timeout_ms" $defaults.kafka.commit_timeout_ms $given) -}}
{{- $process := add $drain $commit 7000 -}}
{{- $preStop := 0 -}}
{{- if eq .service "publisher" -}}
{{- $body := int64 (dig "edge" "body_timeout_ms" $defaults.edge.body_timeout_ms $given) -}}
{{- $acknowledge := int64 (dig "edge" "acknowledge_timeout_ms" $defaults.edge.acknowledge_timeout_ms $given) -}}
{{- $process = max $process (add $body $acknowledge) -}}
{{- $preStop = int64 .root.Values.edge.unroutedSeconds -}}
{{- end -}}
{{- $transaction := max 15000 (add $drain $commit 2000) -}}
{{- $grace := add $preStop (div (add $process 999) 1000) 5 -}}
{{ dict "drain" $drain "commit" $commit "process" $process "transaction" $transaction "preStop" $preStop "grace" $grace | toJson }}
{{- end }}

{{/* The login or certificate of a program, as the section kafka.security, JSON. */}}
{{- define "tapeline.security" -}}
{{- $given := .root.Values.kafka.security -}}
{{- $security := dict "protocol" $given.protocol -}}
{{- if include "tapeline.caSecret" .root }}{{ $_ := set $security "ca_file" "/run/secrets/kafka-ca/ca.crt" }}{{ end -}}
{{- if include "tapeline.hasLogin" .root -}}
{{- $_ := set $security "mechanism" $given.mechanism -}}
{{- $_ := set $security "username" (include "tapeline.username" .) -}}
{{- $_ := set $security "password" (dict "file" "/run/secrets/kafka/password") -}}
{{- else if eq $given.protocol "ssl" -}}
{{- $_ := set $security "certificate_file" "/run/secrets/kafka/user.crt" -}}
{{- $_ := set $security "key_file" "/run/secrets/kafka/user.key" -}}
{{- end -}}
{{ $security | toJson }}
{{- end }}

{{/* Address of the registry and its login, as the section registry, JSON. */}}
{{- define "tapeline.registry" -}}
{{- $given := .Values.registry -}}
{{- $registry := dict "url" $given.url -}}
{{- if $given.caSecret }}{{ $_ := set $registry "ca_file" "/run/secrets/registry-ca/ca.crt" }}{{ end -}}
{{- if $given.username -}}
{{- $_ := set $registry "username" $given.username -}}
{{- $_ := set $registry "password" (dict "file" "/run/secrets/registry/password") -}}
{{- end -}}
{{ $registry | toJson }}
{{- end }}

{{/* The part of a service's configuration that the chart sets, as JSON: values must not set these keys. */}}
{{- define "tapeline.chartConfig" -}}
{{- $values := .root.Values -}}
{{- $service := index $values.services .service -}}
{{- $times := include "tapeline.times" . | fromJson -}}
{{- $principal := dict "root" .root "principal" .service "credentials" $service.credentials -}}
{{- $kafka := dict "brokers" $values.kafka.brokers "partitions" $values.kafka.partitions "delivery" $values.kafka.delivery
      "drain_budget_ms" $times.drain "transaction_timeout_ms" $times.transaction
      "security" (include "tapeline.security" $principal | fromJson) -}}
{{- $config := dict "kafka" $kafka
      "process" (dict "admin" (printf "0.0.0.0:%s" (include "tapeline.adminPort" .)) "drain_budget_ms" $times.process)
      "registry" (merge (dict "cache_folder" "/var/lib/tapeline/schemas") (include "tapeline.registry" .root | fromJson)) -}}
{{- if eq .service "publisher" }}{{ $_ := set $config "edge" (dict "listen" (printf "0.0.0.0:%d" (int $values.edge.port))) }}{{ end -}}
{{- if $service.mapping }}{{ $_ := set $config "alerts" (dict "mapping_file" "/etc/tapeline/mapping.toml") }}{{ end -}}
{{- if $service.barsClaim }}{{ $_ := set $config "source" (dict "kind" "csv" "folder" "/srv/bars") }}{{ end -}}
{{ $config | toJson }}
{{- end }}

{{/* A service's TOML file: its values, overridden by the settings of the chart. */}}
{{- define "tapeline.configFile" -}}
{{- $given := deepCopy (index .root.Values.services .service).config -}}
{{- $config := mustMergeOverwrite $given (include "tapeline.chartConfig" . | fromJson) -}}
# {{ .service }}: what differs from the defaults, which `{{ .service }} --check-config` shows.
{{- include "tapeline.toml" (dict "map" $config "path" "") }}
{{ end }}

{{/* Memory bound of a service in bytes: the engine's own sum (shared/hosting/src/memory.rs, ADR 058), the windows, the edge's buffers, the workers' bars, and stateMib. */}}
{{- define "tapeline.memoryBytes" -}}
{{- $facts := include "tapeline.facts" .root | fromJson -}}
{{- $service := index .root.Values.services .service -}}
{{- $fact := index $facts.services .service -}}
{{- $unit := $facts.memory -}}
{{- $prefetch := mul $unit.prefetch_kib_bytes (dig "kafka" "prefetch_kib" $fact.defaults.kafka.prefetch_kib $service.config) -}}
{{- $sum := int64 $unit.process_bytes -}}
{{- range $fact.stages -}}
{{- $sources := mul (len .inputs) $.root.Values.kafka.partitions -}}
{{- $sum = add $sum $unit.stage_bytes (mul .consumers $prefetch) (mul (sub .consumers 1) $unit.loading_bytes) (mul $sources $unit.source_bytes) -}}
{{- end -}}
{{- range $fact.windows -}}
{{- $count := int64 (dig .section .key (index $fact.defaults .section .key) $service.config) -}}
{{- $sum = add $sum (mul $count .bytes (ternary (int64 $.root.Values.kafka.partitions) 1 .in_partitions)) -}}
{{- end -}}
{{- if eq .service "publisher" -}}
{{- $edge := mergeOverwrite (deepCopy $fact.defaults.edge) ($service.config.edge | default dict) -}}
{{- /* As services/publisher/src/edge/memory.rs: a body and a record are in memory twice, and connections that are being closed have buffers too. */ -}}
{{- $connections := add (int64 $edge.connections_max) $unit.displaced_connections -}}
{{- $sum = add $sum (mul 2 (int64 $edge.bodies_max_bytes)) (mul 2 (int64 $edge.in_flight_max_bytes)) (mul $unit.connection_bytes $connections) -}}
{{- end -}}
{{- if eq .service "feature" -}}
{{- /* As services/feature/src/memory.rs: the workers copy the bars of their jobs and have their results; results wait for an earlier one. */ -}}
{{- $requests := mergeOverwrite (deepCopy $fact.defaults.requests) ($service.config.requests | default dict) -}}
{{- $symbols := sub (mul (add1 (int64 $requests.workers_max)) $unit.request_symbols_max) 1 -}}
{{- $symbol := add (mul (int64 $requests.history_bars) $unit.bar_bytes) $unit.result_bytes -}}
{{- $sum = add $sum (mul $symbols $symbol) $unit.waiting_result_bytes -}}
{{- end -}}
{{- if eq .service "backfill" -}}
{{- /* As shared/hosting/src/memory.rs, of_reader: the ledger reads with a consumer of its own. */ -}}
{{- if ne (dig "ledger" "kind" "none" $service.config) "none" }}{{ $sum = add $sum $prefetch $unit.loading_bytes $unit.read_bytes }}{{ end -}}
{{- $kind := dig "source" "kind" "" $service.config -}}
{{- if or $service.barsClaim (eq $kind "csv") -}}
{{- /* As services/backfill/src/sources/memory.rs: a worker with a fetch reads a file, and a fetch has the bars of a chunk. */ -}}
{{- $executor := mergeOverwrite (deepCopy $fact.defaults.executor) ($service.config.executor | default dict) -}}
{{- $files := min (int64 $executor.running_max) (int64 $executor.workers_max) -}}
{{- $sum = add $sum (mul $files $unit.bar_file_bytes) (mul (int64 $executor.running_max) $unit.chunk_bytes) -}}
{{- else if eq $kind "files" -}}
{{- /* As there: larger files, four times in memory, and the records of the largest chunk for each fetch. */ -}}
{{- $executor := mergeOverwrite (deepCopy $fact.defaults.executor) ($service.config.executor | default dict) -}}
{{- $files := min (int64 $executor.running_max) (int64 $executor.workers_max) -}}
{{- $bars := max (int64 $executor.day_bars_chunk_days) (mul $executor.hour_bars_chunk_days 24) (mul $executor.minute_bars_chunk_days 1440) -}}
{{- $chunk := add $unit.chunk_bytes (mul $bars $unit.bar_bytes 2) -}}
{{- $sum = add $sum (mul $files $unit.bar_file_bytes 4) (mul (int64 $executor.running_max) $chunk) -}}
{{- else if eq $kind "synthetic" -}}
{{- /* As there: the bars of the largest chunk for each fetch. */ -}}
{{- $executor := mergeOverwrite (deepCopy $fact.defaults.executor) ($service.config.executor | default dict) -}}
{{- $bars := max (int64 $executor.day_bars_chunk_days) (mul $executor.hour_bars_chunk_days 24) (mul $executor.minute_bars_chunk_days 1440) -}}
{{- $sum = add $sum (mul (int64 $executor.running_max) $bars $unit.bar_bytes 2) -}}
{{- else if eq $kind "alpaca" -}}
{{- /* As there: a response and its rows for each worker with a fetch, and twice the records of the largest chunk for each fetch. */ -}}
{{- $executor := mergeOverwrite (deepCopy $fact.defaults.executor) ($service.config.executor | default dict) -}}
{{- $calls := min (int64 $executor.running_max) (int64 $executor.workers_max) -}}
{{- $bars := max (int64 $executor.day_bars_chunk_days) (mul $executor.hour_bars_chunk_days 24) (mul $executor.minute_bars_chunk_days 1440) -}}
{{- $records := max (mul $bars $unit.bar_bytes 4) $unit.alpaca_record_bytes -}}
{{- $sum = add $sum (mul $calls $unit.alpaca_response_bytes) (mul (int64 $executor.running_max) $records) -}}
{{- end -}}
{{- end -}}
{{ add $sum (mul $service.resources.stateMib 1048576) }}
{{- end }}
