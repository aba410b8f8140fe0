# shellcheck shell=sh
# Rewriting every Secret as the API server stores it now. What remembers that it was done is an empty Secret in
# kube-system with a label: "begun", then "done". Behind api.sh.
#
# KUBECTL  the administrator's kubectl    RECORD  its name, which is that of the way Secrets are stored; "": not known
# PATIENCE seconds to wait at most
LABEL=container-cloud/secrets
PLACE=/api/v1/namespaces/kube-system/secrets
MIGRATIONS=/apis/storagemigration.k8s.io/v1/storageversionmigrations

# Looking waits for no API server whose etcd is away.
look() { api 3 "$1"; }

names() {
    look "$PLACE?labelSelector=$LABEL" |
        grep -o '"name":"container-cloud-secrets-[0-9a-f]*"' | cut -d'"' -f4
}

# shellcheck disable=SC2329 # called by what follows, as are those below
others() { names | grep -vx "$RECORD"; }

# shellcheck disable=SC2329
recorded() {
    [ -n "$RECORD" ] && look "$PLACE/$RECORD" | grep -q "\"$LABEL\":\"done\""
}

# Nothing that says otherwise is left before anything is stored otherwise: a killed run leaves no record that is not true.
# shellcheck disable=SC2329
forget() {
    for name in $(others); do
        $KUBECTL delete --raw "$MIGRATIONS/$name" >/dev/null 2>&1
        $KUBECTL delete --raw "$PLACE/$name" >/dev/null || exit 1
    done
}

record() {  # begun or done
    body="{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"$RECORD\",\"labels\":{\"$LABEL\":\"$1\"},
        \"annotations\":{\"container-cloud/at\":\"$(date +%s.%N)\"}}}"
    printf %s "$body" | $KUBECTL replace --raw "$PLACE/$RECORD" -f - >/dev/null 2>&1 ||
        printf %s "$body" | $KUBECTL create --raw "$PLACE" -f - >/dev/null
}

# Whether there is anything to rewrite.
some() {
    found=$($KUBECTL get secrets --all-namespaces --selector="!$LABEL" --output=name) || exit 1
    [ -n "$found" ]
}

state() {
    look "$MIGRATIONS/$RECORD" | grep -o '"type":"[A-Za-z]*","status":"True"' | cut -d'"' -f4
}

# By the controller manager, which is told so by an object.
migrated() {
    record begun || return 1
    $KUBECTL delete --raw "$MIGRATIONS/$RECORD" >/dev/null 2>&1
    printf '{"apiVersion":"storagemigration.k8s.io/v1","kind":"StorageVersionMigration","metadata":{"name":"%s"},
        "spec":{"resource":{"group":"","resource":"secrets"}}}' "$RECORD" |
        $KUBECTL create --raw "$MIGRATIONS" -f - >/dev/null || return 1
    end=$(date -d "now + $PATIENCE seconds" +%s)
    while [ "$(date +%s)" -lt "$end" ]; do
        case $(state) in
        *Succeeded*) return ;;
        *Failed*) break ;;
        esac
        sleep 0.5
        # It waits until it has heard of everything up to now, which it does with the next Secret that is written.
        record begun
    done
    echo "not every Secret was rewritten: kubectl get storageversionmigration $RECORD -o yaml says how far it came" >&2
    return 1
}

# By kubectl, where there is no such object. A Secret that somebody else changes meanwhile is written by that.
replaced() {
    tries=0
    until $KUBECTL get secrets --all-namespaces --output=json | $KUBECTL replace --filename=- >/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 5 ] || return 1
        sleep 1
    done
}

# shellcheck disable=SC2329
rewrite() {  # migrated or replaced
    forget
    if some; then
        "$1" || exit 1
    fi
    record "done"
}
