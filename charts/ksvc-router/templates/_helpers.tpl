{{/* The labels of every object. */}}
{{- define "ksvc-router.labels" -}}
app.kubernetes.io/name: ksvc-router
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{/* The URL of the module. Fails if the values name none, or one that the gateway could not load. */}}
{{- define "ksvc-router.url" -}}
{{- $image := .Values.image }}
{{- if $image.url }}
{{- if not (hasPrefix "file:///" $image.url) }}
{{- fail (printf "image.url: %q is not a file in the gateway; write for example `file:///var/lib/ksvc-router/plugin.wasm`, or, for an image in a registry, take `image.url` out and write `image.repository` and `image.digest`" $image.url) }}
{{- end }}
{{- $image.url }}
{{- else }}
{{- if not $image.repository }}
{{- fail "image.repository: is missing; write the image in your registry, without a tag, such as `registry.example.com/ksvc-router`" }}
{{- end }}
{{- if not (regexMatch `^[^\s:/@]+(:[0-9]+)?(/[^\s:/@]+)+$` $image.repository) }}
{{- fail (printf "image.repository: %q is not an image without tag and digest; write for example `registry.example.com/ksvc-router`, and the digest into `image.digest`" $image.repository) }}
{{- end }}
{{- $digest := "`sha256:` and 64 hexadecimal digits, as your registry or the push of the image prints it" }}
{{- if not $image.digest }}
{{- fail (printf "image.digest: is missing; write the digest of the image, %s" $digest) }}
{{- end }}
{{- if regexMatch "^sha256:0{64}$" $image.digest }}
{{- fail (printf "image.digest: these zeros stand for the digest of your image; write %s" $digest) }}
{{- end }}
{{- if not (regexMatch "^sha256:[a-f0-9]{64}$" $image.digest) }}
{{- fail (printf "image.digest: %q is not a digest; write %s" $image.digest $digest) }}
{{- end }}
{{- printf "oci://%s@%s" $image.repository $image.digest }}
{{- end }}
{{- end }}
