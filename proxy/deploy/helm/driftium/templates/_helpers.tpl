{{- define "driftium.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" }}
{{- end }}

{{- define "driftium.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" }}
{{- else if contains (include "driftium.name" .) .Release.Name }}
{{- .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "driftium.name" .) | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "driftium.selector" -}}
app.kubernetes.io/name: {{ include "driftium.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "driftium.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "driftium.selector" . }}
{{- end }}

{{- define "driftium.secret" -}}
{{- default (printf "%s-admin" (include "driftium.fullname" .)) .Values.admin.existingSecret }}
{{- end }}

{{/* How many pods; fails where they would have nothing in common. */}}
{{- define "driftium.replicas" -}}
{{- if gt (int .Values.shared.replicas) 1 }}
{{- if not (and .Values.shared.databaseSecret .Values.shared.qdrantUrl) }}
{{- fail "shared.replicas above 1 needs shared.databaseSecret and shared.qdrantUrl: the pods share what they know there." }}
{{- else if .Values.persistence.existingClaim }}
{{- fail "shared.replicas above 1 needs a claim for each pod: leave persistence.existingClaim empty." }}
{{- end }}
{{- end }}
{{- .Values.shared.replicas }}
{{- end }}

{{/* "true" where there is a token; fails where nobody has decided. */}}
{{- define "driftium.guarded" -}}
{{- if or .Values.admin.token .Values.admin.existingSecret -}}
true
{{- else if not .Values.admin.open -}}
{{- fail "Set admin.token or admin.existingSecret; or admin.open=true, and whoever reaches the pod reads prompts and answers." }}
{{- end }}
{{- end }}
