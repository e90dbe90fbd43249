{{/* The pod of a service, as a workload's template: (dict "root" $ "service" name). */}}
{{- define "tapeline.pod" -}}
{{- $values := .root.Values -}}
{{- $service := index $values.services .service -}}
{{- $times := include "tapeline.times" . | fromJson -}}
{{- $principal := dict "root" .root "principal" .service "credentials" $service.credentials -}}
metadata:
  labels: {{- include "tapeline.selector" . | nindent 4 }}
    {{- with include "tapeline.mergedMap" (merge (dict "key" "podLabels") .) | fromJson }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    # A changed configuration restarts the pods: it is read at start.
    tapeline/config: {{ printf "%s%s" (include "tapeline.configFile" .) $service.mapping | sha256sum | trunc 16 | quote }}
    {{- with include "tapeline.mergedMap" (merge (dict "key" "rollOn") .) | fromJson }}
    # So does a changed value of rollOn, for secrets and certificates, which are read at start as well.
    tapeline/roll-on: {{ toJson . | sha256sum | trunc 16 | quote }}
    {{- end }}
    {{- with include "tapeline.mergedMap" (merge (dict "key" "podAnnotations") .) | fromJson }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "tapeline.name" . }}
  automountServiceAccountToken: false
  # A Service called feature must not create variables that are read as configuration.
  enableServiceLinks: false
  # preStop {{ $times.preStop }} s + process.drain_budget_ms {{ $times.process }} + 5 s, all from drainSeconds (templates/_config.tpl).
  terminationGracePeriodSeconds: {{ $times.grace }}
  securityContext: {{- include "tapeline.podSecurity" .root | nindent 4 }}
  {{- with include "tapeline.placement" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  topologySpreadConstraints:
    {{- $spread := include "tapeline.replaced" (merge (dict "key" "topologySpread") .) | trimAll "\"" }}
    {{- with include "tapeline.replaced" (merge (dict "key" "topologySpreadConstraints") .) | fromJsonArray }}
    {{- range . }}
    {{- list (merge (deepCopy .) (dict "labelSelector" (dict "matchLabels" (include "tapeline.selector" $ | fromYaml)))) | toYaml | nindent 4 }}
    {{- end }}
    {{- else }}
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: {{ $spread }}
      labelSelector:
        matchLabels: {{- include "tapeline.selector" $ | nindent 10 }}
    {{- end }}
    {{- end }}
  containers:
    - name: {{ .service }}
      image: {{ include "tapeline.image" (dict "root" .root "program" .service) }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: [--config, /etc/tapeline/{{ .service }}.toml]
      {{- with include "tapeline.env" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      ports:
        - {name: admin, containerPort: {{ include "tapeline.adminPort" . }}}
        {{- if eq .service "publisher" }}
        - {name: edge, containerPort: {{ $values.edge.port }}}
        {{- end }}
      # /live returns 200 as soon as the process has started; a start that waits for cluster or registry is live and not ready.
      startupProbe:
        httpGet: {path: /live, port: admin}
        periodSeconds: 1
        failureThreshold: 30
      # 503 if a loop made no progress within its deadline; then only a restart helps.
      livenessProbe:
        httpGet: {path: /live, port: admin}
        periodSeconds: 10
        timeoutSeconds: 3
        failureThreshold: 3
      readinessProbe:
        httpGet: {path: /ready, port: admin}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      {{- if $times.preStop }}
      # While the pod is removed from the Service, its edge still accepts findings.
      lifecycle:
        preStop:
          sleep: {seconds: {{ $times.preStop }}}
      {{- end }}
      resources:
        # Memory is the bound of the configuration (ADR 058), so the request equals the limit.
        requests: {cpu: {{ $service.resources.cpuRequest | quote }}, memory: {{ $service.resources.memoryMib }}Mi}
        limits: {{ with $service.resources.cpuLimit }}{cpu: {{ . | quote }}, {{ else }}{ {{- end }}memory: {{ $service.resources.memoryMib }}Mi}
      securityContext: {{- include "tapeline.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/tapeline, readOnly: true}
        - {name: state, mountPath: /var/lib/tapeline}
        - {name: tmp, mountPath: /tmp}
        {{- with include "tapeline.secretMounts" .root | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with include "tapeline.registryMounts" .root | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- if $service.barsClaim }}
        - {name: bars, mountPath: /srv/bars, readOnly: true}
        {{- end }}
        {{- with include "tapeline.mergedList" (merge (dict "key" "extraVolumeMounts") .) | fromJsonArray }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "tapeline.name" . }}}
    {{- if not $values.cache.claim }}
    - name: state
      emptyDir: {sizeLimit: {{ $values.cache.sizeMib }}Mi}
    {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: 16Mi}
    {{- with include "tapeline.secretVolumes" $principal | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with include "tapeline.registryVolumes" .root | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $service.barsClaim }}
    - name: bars
      persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}
    {{- end }}
    {{- with include "tapeline.mergedList" (merge (dict "key" "extraVolumes") .) | fromJsonArray }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Variables that differ between pods, those that autoscaling.yaml reads, and extraEnv. */}}
{{- define "tapeline.env" -}}
{{- $prefix := include "tapeline.prefix" . -}}
{{- $service := index .root.Values.services .service -}}
{{- $extra := include "tapeline.mergedList" (merge (dict "key" "extraEnv") .) | fromJsonArray -}}
{{- if or $extra (include "tapeline.hasIdentity" .root) (include "tapeline.hasLogin" .root) -}}
env:
  {{- if include "tapeline.hasIdentity" .root }}
  - name: {{ $prefix }}__KAFKA__ORDINAL
    valueFrom:
      fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}
  {{- end }}
  {{- if include "tapeline.hasLogin" .root }}
  - name: {{ $prefix }}__KAFKA__SECURITY__USERNAME
    value: {{ include "tapeline.username" (dict "principal" .service "credentials" $service.credentials) }}
  {{- end }}
  {{- with $extra }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "tapeline.podSecurity" -}}
runAsNonRoot: true
{{- if kindIs "float64" .Values.userId }}
runAsUser: {{ int64 .Values.userId }}
runAsGroup: {{ int64 .Values.userId }}
fsGroup: {{ int64 .Values.userId }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tapeline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where pods run, and what they are pulled with: (dict "root" $ "service" name), or setup. */}}
{{- define "tapeline.placement" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with include "tapeline.replaced" (merge (dict "key" "priorityClassName") .) | trimAll "\"" }}
priorityClassName: {{ . }}
{{- end }}
{{- with include "tapeline.mergedMap" (merge (dict "key" "nodeSelector") .) | fromJson }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "tapeline.mergedList" (merge (dict "key" "tolerations") .) | fromJsonArray }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "tapeline.replaced" (merge (dict "key" "affinity") .) | fromJson }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tapeline.secretMounts" -}}
{{- if include "tapeline.caSecret" . }}
- {name: kafka-ca, mountPath: /run/secrets/kafka-ca, readOnly: true}
{{- end }}
{{- if or (include "tapeline.hasLogin" .) (eq .Values.kafka.security.protocol "ssl") }}
- {name: kafka-user, mountPath: /run/secrets/kafka, readOnly: true}
{{- end }}
{{- end }}

{{- define "tapeline.registryMounts" -}}
{{- if .Values.registry.caSecret }}
- {name: registry-ca, mountPath: /run/secrets/registry-ca, readOnly: true}
{{- end }}
{{- if .Values.registry.passwordSecret }}
- {name: registry-user, mountPath: /run/secrets/registry, readOnly: true}
{{- end }}
{{- end }}

{{- define "tapeline.registryVolumes" -}}
{{- with .Values.registry.caSecret }}
- name: registry-ca
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items: [{key: {{ $.Values.registry.caKey }}, path: ca.crt}]
{{- end }}
{{- with .Values.registry.passwordSecret }}
- name: registry-user
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items: [{key: password, path: password}]
{{- end }}
{{- end }}

{{/* Takes a principal. Only the required keys are mounted. */}}
{{- define "tapeline.secretVolumes" -}}
{{- $ca := include "tapeline.caSecret" .root -}}
{{- if $ca }}
- name: kafka-ca
  secret:
    secretName: {{ $ca }}
    defaultMode: 0440
    items: [{key: {{ .root.Values.kafka.security.caKey }}, path: ca.crt}]
{{- end }}
{{- if include "tapeline.hasLogin" .root }}
- name: kafka-user
  secret:
    secretName: {{ include "tapeline.secret" . }}
    defaultMode: 0440
    items: [{key: password, path: password}]
{{- else if eq .root.Values.kafka.security.protocol "ssl" }}
- name: kafka-user
  secret:
    secretName: {{ include "tapeline.secret" . }}
    defaultMode: 0440
    items: [{key: user.crt, path: user.crt}, {key: user.key, path: user.key}]
{{- end }}
{{- end }}
