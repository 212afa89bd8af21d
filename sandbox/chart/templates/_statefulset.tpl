{{/*
A StatefulSet and its headless Service, for the dependencies. Takes root, name, labels (of the objects),
podLabels, replicas, container, image, port, resources, and optionally env (text), annotations (of the pods),
storage and service.
*/}}
{{- define "milvus.statefulset" -}}
{{- $selector := omit .podLabels "helm.sh/chart" "app.kubernetes.io/managed-by" }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .service | default .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- toYaml .labels | nindent 4 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  ports:
    - name: main
      port: {{ .port }}
      targetPort: main
  selector:
    {{- toYaml $selector | nindent 4 }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- toYaml .labels | nindent 4 }}
spec:
  replicas: {{ .replicas }}
  serviceName: {{ .service | default .name }}
  podManagementPolicy: Parallel
  updateStrategy:
    type: RollingUpdate
  selector:
    matchLabels:
      {{- toYaml $selector | nindent 6 }}
  template:
    metadata:
      labels:
        {{- toYaml .podLabels | nindent 8 }}
      {{- with .annotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      containers:
        - name: {{ .container }}
          image: {{ .image }}
          {{- with .env }}
          env:
            {{- . | nindent 12 }}
          {{- end }}
          ports:
            - name: main
              containerPort: {{ .port }}
              protocol: TCP
          resources:
            {{- toYaml (.resources | default dict) | nindent 12 }}
          {{- if .storage }}
          volumeMounts:
            - name: data
              mountPath: /data
          {{- end }}
  {{- with .storage }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes:
          - ReadWriteOnce
        resources:
          requests:
            storage: {{ . }}
  {{- end }}
{{- end }}
