{{/*
One Deployment of a Milvus component. Takes:
  root, key (in values), label (component label, container and name suffix), args, ports (name: number)
  replicas, omitNegativeSince (chart version from which a negative count leaves the field out)
  strategy (optional), annotations (optional, of the Deployment), group (optional resource group)
*/}}
{{- define "milvus.deployment" -}}
{{- $root := .root }}
{{- $values := .root.Values }}
{{- $component := index .root.Values .key }}
{{- $chart := .root.Chart.Version }}
{{- $streaming := and $values.streaming $values.streaming.enabled (ne .label "cdc") }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "milvus.fullname" $root }}-{{ .label }}{{ with .group }}-{{ . }}{{ end }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "milvus.labels" $root | nindent 4 }}
    component: {{ .label | quote }}
    {{- with .group }}
    milvus.io/resource-group: {{ . | quote }}
    {{- end }}
    {{- with $values.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- range $name, $value := merge (dict) (.annotations | default dict) ($values.annotations | default dict) }}
    {{ $name }}: {{ $value | quote }}
    {{- end }}
spec:
  {{- $omitted := and (semverCompare (printf ">=%s-0" .omitNegativeSince) $chart) (lt (int .replicas) 0) }}
  {{- if not $omitted }}
  replicas: {{ .replicas }}
  {{- end }}
  {{- with .strategy }}
  strategy:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "milvus.matchLabels" $root | nindent 6 }}
      component: {{ .label | quote }}
      {{- with .group }}
      milvus.io/resource-group: {{ . | quote }}
      {{- end }}
  template:
    metadata:
      labels:
        {{- include "milvus.matchLabels" $root | nindent 8 }}
        component: {{ .label | quote }}
        {{- with .group }}
        milvus.io/resource-group: {{ . | quote }}
        {{- end }}
        {{- with $values.labels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/config: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum }}
        {{- range $name, $value := merge (dict) ($component.annotations | default dict) ($values.annotations | default dict) }}
        {{ $name }}: {{ $value | quote }}
        {{- end }}
        {{- if and $values.sample.revisionAnnotation (eq .label "proxy") }}
        sample/revision: {{ $root.Release.Revision | quote }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "milvus.serviceAccountName" $root }}
      {{- with $values.image.all.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- /* This and an empty `env` are explicit nulls, as in the real chart: Helm 3 removes what others put there. */}}
      initContainers:
      containers:
        - name: {{ .label }}
          image: "{{ $values.image.all.repository }}:{{ $values.image.all.tag }}"
          imagePullPolicy: {{ $values.image.all.pullPolicy }}
          args: {{ concat (list "milvus" "run") .args | toJson }}
          env:
            {{- if $streaming }}
            - name: MILVUS_STREAMING_SERVICE_ENABLED
              value: "1"
            {{- end }}
            {{- with .group }}
            - name: MILVUS_SERVER_LABEL_RESOURCE_GROUP
              value: {{ . | quote }}
            {{- end }}
            {{- with $component.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            {{- range $name, $port := .ports }}
            - name: {{ $name }}
              containerPort: {{ $port }}
              protocol: TCP
            {{- end }}
            - name: metrics
              containerPort: 9091
              protocol: TCP
          {{- if $values.livenessProbe.enabled }}
          livenessProbe:
            tcpSocket:
              port: metrics
            {{- omit $values.livenessProbe "enabled" | toYaml | nindent 12 }}
          {{- end }}
          {{- if $values.readinessProbe.enabled }}
          readinessProbe:
            httpGet:
              path: /healthz
              port: metrics
            {{- omit $values.readinessProbe "enabled" | toYaml | nindent 12 }}
          {{- end }}
          resources:
            {{- toYaml $component.resources | nindent 12 }}
          volumeMounts:
            - name: milvus-config
              mountPath: /milvus/configs/{{ ternary "user.yaml" "default.yaml" (not (empty $values.customConfigMap)) }}
              subPath: {{ ternary "milvus.yaml" "default.yaml" (not (empty $values.customConfigMap)) }}
              readOnly: true
            {{- if $values.log.persistence.enabled }}
            - name: milvus-logs-disk
              mountPath: {{ $values.log.persistence.mountPath }}
            {{- end }}
            - name: tools
              mountPath: /milvus/tools
      {{- with $component.nodeSelector | default $values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $component.affinity | default $values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $component.tolerations | default $values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumes:
        - name: milvus-config
          configMap:
            name: {{ $values.customConfigMap | default (include "milvus.fullname" $root) }}
        {{- if $values.log.persistence.enabled }}
        - name: milvus-logs-disk
          persistentVolumeClaim:
            claimName: {{ include "milvus.fullname" $root | trunc 58 }}-logs
        {{- end }}
        - name: tools
          emptyDir: {}
{{- end }}
