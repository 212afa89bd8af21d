{{/* What objects are called and labelled. Every version of the real chart agrees on this. */}}

{{- define "milvus.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "milvus.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Pods carry these and the bare label `component`; no chart version, or every chart would restart them. */}}
{{- define "milvus.matchLabels" -}}
app.kubernetes.io/name: {{ include "milvus.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "milvus.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "milvus.matchLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "milvus.serviceAccountName" -}}
{{- $unnamed := ternary "milvus" "default" .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default $unnamed }}
{{- end }}

{{/* A dependency is named after the release, never after the fullname. Takes root and name. */}}
{{- define "milvus.dependency" -}}
{{- if contains .name .root.Release.Name -}}
{{ .root.Release.Name }}
{{- else -}}
{{ .root.Release.Name }}-{{ .name }}
{{- end -}}
{{- end }}
