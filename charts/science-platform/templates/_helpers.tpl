{{- define "science-platform.name" -}}
{{- if contains "science-platform" .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-science-platform" .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "science-platform.selector" -}}
app.kubernetes.io/name: science-platform
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "science-platform.labels" -}}
{{ include "science-platform.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The name of a cluster-wide object: unique among releases of all namespaces. */}}
{{- define "science-platform.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "science-platform.name" .) -}}
{{- end }}

{{/* One of the users' volumes, checked: {root, name, at} */}}
{{- define "science-platform.checkVolume" -}}
{{- $volume := index .root.Values.storage .name -}}
{{- if and $volume.claim $volume.hostPath -}}
{{- fail (printf "storage.%s: give claim or hostPath, not both" .name) -}}
{{- end -}}
{{- if not (or $volume.claim $volume.hostPath) -}}
{{- fail (printf "storage.%s: name the claim (or, on a test cluster, the hostPath) that is mounted at %s" .name .at) -}}
{{- end -}}
{{- end }}

{{/* The platform's configuration file. What the chart must know itself wins over .Values.config. */}}
{{- define "science-platform.config" -}}
{{- include "science-platform.checkVolume" (dict "root" . "name" "home" "at" "/arc/home") -}}
{{- include "science-platform.checkVolume" (dict "root" . "name" "projects" "at" "/arc/projects") -}}
{{- $volumes := dict "scratchGb" .Values.jobs.scratchGb -}}
{{- range $name := list "home" "projects" -}}
{{- $volume := index $.Values.storage $name -}}
{{- if $volume.claim -}}
{{- $_ := set $volumes $name (dict "claim" $volume.claim) -}}
{{- else -}}
{{- $_ := set $volumes $name (dict "hostPath" $volume.hostPath) -}}
{{- end -}}
{{- end -}}
{{- $kubernetes := dict "namespace" .Values.jobs.namespace "volumes" $volumes "usage" .Values.jobs.usage "homesFolder" "/var/lib/science-platform/arc/home" -}}
{{- if .Values.jobs.nodeSelector -}}{{- $_ := set $kubernetes "nodeSelector" .Values.jobs.nodeSelector -}}{{- end -}}
{{- if .Values.jobs.tolerations -}}{{- $_ := set $kubernetes "tolerations" .Values.jobs.tolerations -}}{{- end -}}
{{- if .Values.jobs.runtimeClass -}}{{- $_ := set $kubernetes "runtimeClass" .Values.jobs.runtimeClass -}}{{- end -}}
{{- if .Values.kueue.localQueue -}}
{{- $queue := dict "localQueue" .Values.kueue.localQueue -}}
{{- if .Values.kueue.priorityClasses -}}{{- $_ := set $queue "priorityClasses" .Values.kueue.priorityClasses -}}{{- end -}}
{{- $_ := set $kubernetes "queue" $queue -}}
{{- end -}}
{{- $own := dict "listen" "0.0.0.0:8080" "publicUrl" .Values.publicUrl "dataDir" "/var/lib/science-platform" "executor" "kubernetes" "kubernetes" $kubernetes -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) -}}
{{- end }}
