{{/* The one name of all objects, given to the operator, too: sidecars find it by that. */}}
{{- define "byzantine-operator.name" -}}
{{ .Values.nameOverride | default "byzantine-operator" }}
{{- end }}

{{- define "byzantine-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "byzantine-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "byzantine-operator.labels" -}}
{{ include "byzantine-operator.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: byzantine
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* repository:tag or repository@digest; takes a list of an image's values and the chart's version. */}}
{{- define "byzantine-operator.image" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (index . 1) }}
{{- end -}}
{{- end }}

{{/* What the operator may do with a service's objects; in a ClusterRole, or in a Role of each namespace. */}}
{{- define "byzantine-operator.serviceRules" -}}
# What the users write, and what is told them in return.
- apiGroups: [byzantine.dev]
  resources: [byzantineservices]
  verbs: [get, list, watch]
- apiGroups: [byzantine.dev]
  resources: [byzantineservices/status]
  verbs: [get, patch]
- apiGroups: [byzantine.dev]
  resources: [byzantineservices/finalizers]
  verbs: [update]
# What a service is made of: made, and put back when it drifts. What goes with the service is
# removed by Kubernetes' own garbage collection, volumes included where they are to go.
- apiGroups: [""]
  resources: [persistentvolumeclaims, services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, update]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# Revisions that no replica needs any more.
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
# A rollout deletes one pod at a time; its StatefulSet makes the next.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* What has no namespace. */}}
{{- define "byzantine-operator.clusterRules" -}}
# Whose token enrols: asked, never kept.
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
# Whether replicas share a node or a zone.
- apiGroups: [""]
  resources: [nodes]
  verbs: [get]
{{- end }}
