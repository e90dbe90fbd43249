{{/* The rules of egress: DNS, brokers, registry. */}}
{{- define "tapeline.egress" -}}
{{- $policy := .Values.networkPolicy }}
{{- $ports := list }}
{{- range splitList "," .Values.kafka.brokers }}{{ $ports = append $ports (splitList ":" (trim .) | last) }}{{ end }}
{{- range $policy.kafkaPorts }}{{ $ports = append $ports (toString .) }}{{ end }}
{{- $registry := urlParse .Values.registry.url }}
{{- $registryPort := ternary 443 80 (eq $registry.scheme "https") }}
{{- if regexMatch ":[0-9]+$" $registry.host }}{{ $registryPort = splitList ":" $registry.host | last | int }}{{ end }}
- ports: [{{ range $i, $port := $policy.dnsPorts }}{{ if $i }}, {{ end }}{port: {{ $port }}, protocol: UDP}, {port: {{ $port }}, protocol: TCP}{{ end }}]
  {{- with $policy.dnsTo }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
# The ports of kafka.brokers, and those that the brokers advertise in addition (networkPolicy.kafkaPorts).
- ports:
    {{- range uniq $ports }}
    {{- $range := splitList "-" . }}
    - {port: {{ first $range }}, {{ if gt (len $range) 1 }}endPort: {{ last $range }}, {{ end }}protocol: TCP}
    {{- end }}
  {{- with $policy.kafkaTo }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
- ports: [{port: {{ $registryPort }}, protocol: TCP}]
  {{- with $policy.registryTo }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- with $policy.extraEgress }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}
