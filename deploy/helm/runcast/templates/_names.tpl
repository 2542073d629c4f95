{{- /* Only what Go's own templates have, and toJson of values: so that tests can render the chart without Helm. */ -}}
{{- define "runcast.name" -}}
{{ .Release.Name }}{{ if ne .Release.Name "runcast" }}-runcast{{ end }}
{{- end -}}

{{- define "runcast.selector" -}}
{app.kubernetes.io/name: runcast, app.kubernetes.io/instance: {{ .Release.Name }}}
{{- end -}}

{{- define "runcast.labels" -}}
{app.kubernetes.io/name: runcast, app.kubernetes.io/instance: {{ .Release.Name }}, app.kubernetes.io/version: {{ printf "%q" .Chart.AppVersion }}, app.kubernetes.io/managed-by: {{ .Release.Service }}, helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}}
{{- end -}}

{{- define "runcast.serviceAccount" -}}
{{ if .Values.serviceAccount.create }}{{ template "runcast.name" . }}{{ else }}{{ or .Values.serviceAccount.name "default" }}{{ end }}
{{- end -}}
