# shellcheck shell=sh
# Asks the API server to have pods go; says of each that may not go, a line "NAMESPACE/NAME WHY". Behind api.sh.
# KUBECTL: the administrator's; API: of evictions, policy/v1 or policy/v1beta1; PODS: NAMESPACE/NAME, a line each
api 3 /readyz >/dev/null || exit 1
for pod in $PODS; do
    namespace=${pod%%/*} name=${pod#*/}
    body="{\"apiVersion\":\"$API\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"$name\",\"namespace\":\"$namespace\"}}"
    said=$(printf %s "$body" | $KUBECTL create --raw "/api/v1/namespaces/$namespace/pods/$name/eviction" -f - 2>&1) ||
        echo "$pod $(printf %s "$said" | tr '\n' ' ' | sed 's/^Error from server ([A-Za-z]*): //')"
done
true
