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
{{- $kubernetes := dict "namespace" .Values.jobs.namespace "volumes" $volumes "usage" .Values.jobs.usage -}}
{{- if .Values.storage.makeHomes -}}{{- $_ := set $kubernetes "homesFolder" "/var/lib/science-platform/arc/home" -}}{{- end -}}
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

{{/*
The ranges that no job on the network "isolated" reaches, as JSON. No value removes one. The executor oci has the same list in
packages/server/src/executor/blocked-ranges.ts, which explains each range.
*/}}
{{- define "science-platform.builtInBlockedRanges" -}}
["0.0.0.0/8",
 "100.100.100.200/32",
 "127.0.0.0/8",
 "168.63.129.16/32",
 "169.254.0.0/16",
 "192.0.0.192/32",
 "224.0.0.0/4",
 "240.0.0.0/4",
 "::/127",
 "64:ff9b::a9fe:0/112",
 "fd00:ec2::254/128",
 "fd20:ce::254/128",
 "fe80::/10",
 "ff00::/8"]
{{- end }}
