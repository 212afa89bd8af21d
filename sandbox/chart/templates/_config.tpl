{{/*
The configuration file. A change here restarts every Milvus pod (checksum/config), which is why no count of
a Milvus component may appear in it; counts of etcd and Woodpecker do, as lists of addresses.
*/}}
{{- define "milvus.config" -}}
{{- $chart := .Chart.Version }}
{{- $etcd := include "milvus.dependency" (dict "root" . "name" "etcd") }}
{{- $minio := include "milvus.dependency" (dict "root" . "name" "minio") }}
etcd:
  rootPath: {{ .Release.Name }}
  endpoints:
    {{- if semverCompare ">=4.2.3-0" $chart }}
    {{- range $member := until (int .Values.etcd.replicaCount) }}
    - {{ $etcd }}-{{ $member }}.{{ $etcd }}-headless.{{ $.Release.Namespace }}.svc.cluster.local:2379
    {{- end }}
    {{- else }}
    - {{ $etcd }}:2379
    {{- end }}
minio:
  address: {{ $minio }}
  port: 9000
  accessKeyID: {{ .Values.minio.accessKey }}
  secretAccessKey: {{ .Values.minio.secretKey }}
  bucketName: {{ .Values.minio.bucketName }}
messageQueue: {{ include "milvus.messageQueue" . }}
{{- if and .Values.pulsarv3 .Values.pulsarv3.enabled }}
pulsar:
  address: {{ include "milvus.dependency" (dict "root" . "name" "pulsarv3") }}-proxy
  port: 6650
{{- else if .Values.pulsar.enabled }}
pulsar:
  address: {{ include "milvus.dependency" (dict "root" . "name" "pulsar") }}-proxy
  port: 6650
{{- else if .Values.kafka.enabled }}
kafka:
  brokerList:
    - {{ include "milvus.dependency" (dict "root" . "name" "kafka") }}:9092
{{- end }}
{{- if semverCompare ">=5.0.8-0" $chart }}
woodpecker:
  storage:
    type: {{ .Values.streaming.woodpecker.storage }}
  {{- if and .Values.woodpecker.enabled (not .Values.streaming.woodpecker.embedded) }}
  seeds:
    {{- range $node := until (int .Values.woodpecker.replicaCount) }}
    - {{ include "milvus.fullname" $ }}-woodpecker-{{ $node }}.{{ include "milvus.fullname" $ }}-woodpecker:18080
    {{- end }}
  {{- end }}
{{- end }}
{{- if semverCompare ">=4.0.4-0" $chart }}
{{- $mixStandby := false }}
{{- if semverCompare ">=4.0.10-0" $chart }}
{{- $mixStandby = and .Values.mixCoordinator.enabled .Values.mixCoordinator.activeStandby.enabled }}
{{- end }}
rootCoord:
  enableActiveStandby: {{ or $mixStandby .Values.rootCoordinator.activeStandby.enabled }}
queryCoord:
  autoBalance: true
  enableActiveStandby: {{ or $mixStandby .Values.queryCoordinator.activeStandby.enabled }}
  {{- if and (semverCompare ">=5.0.17-0" $chart) .Values.replicaResourceGroups }}
  clusterLevelLoadReplicaNumber: {{ len .Values.replicaResourceGroups }}
  clusterLevelLoadResourceGroups: {{ join "," .Values.replicaResourceGroups }}
  {{- end }}
dataCoord:
  enableActiveStandby: {{ or $mixStandby .Values.dataCoordinator.activeStandby.enabled }}
indexCoord:
  enableActiveStandby: {{ or $mixStandby .Values.indexCoordinator.activeStandby.enabled }}
{{- end }}
log:
  level: {{ .Values.log.level }}
{{- if semverCompare ">=5.0.18-0" $chart }}
{{- /* Ours: the newest chart must be visible when it is used in place of the installed one. */}}
proxy:
  maxTaskNum: 2048
{{- end }}
{{- end }}

{{- define "milvus.messageQueue" -}}
{{- if not .Values.cluster.enabled -}}
{{ include "milvus.standalone.messageQueue" . }}
{{- else if or .Values.pulsar.enabled (and .Values.pulsarv3 .Values.pulsarv3.enabled) -}}
pulsar
{{- else if .Values.kafka.enabled -}}
kafka
{{- else -}}
woodpecker
{{- end -}}
{{- end }}

{{/* From 5.0.0 on, an upgrade keeps the queue of a Deployment that an older chart made. Only the server can tell. */}}
{{- define "milvus.standalone.messageQueue" -}}
{{- $queue := .Values.standalone.messageQueue }}
{{- if and (eq $queue "woodpecker") (gt (int .Release.Revision) 1) (semverCompare ">=5.0.0-0" .Chart.Version) }}
{{- with lookup "apps/v1" "Deployment" .Release.Namespace (printf "%s-standalone" (include "milvus.fullname" .)) }}
{{- $queue = index (.metadata.annotations | default dict) "milvus.io/message-queue" | default "rocksmq" }}
{{- end }}
{{- end }}
{{- $queue -}}
{{- end }}
