#!/usr/bin/env bash
# The cluster of deploys/cluster.py as a skilled administrator types it, who has the configuration of every host ready:
# certificates with openssl on this machine, then one ssh session and one shell script (by_hand/host.sh) a host, all hosts
# at once. `python -m bench` compares the deploy with it. Like every such script it is for bare hosts only: it looks at
# nothing and restarts nothing.
#
# Usage: by_hand.sh [DIRECTORY]
# DIRECTORY is what bench/ready.py has written; without it, it is written now.
# With BY_HAND_LOG=1 it ends with what every host said, and when.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$here/.."
umask 022

ready=${1:-}
if [ -z "$ready" ]; then
    ready=$work/ready
    mkdir "$ready"
    python=.venv/bin/python
    [ -x $python ] || python=python3
    "$python" -m bench.ready "$ready"
fi
cp -a "$ready/hosts" "$work/hosts"
# shellcheck source=/dev/null
. "$ready/settings"
: "${hosts:?}"

# --- Certificates: $work/ca holds the authorities, $work/hosts/NAME what goes to a host, at its final path ------------

request=(openssl req -x509 -newkey rsa:2048 -noenc -config "$work/openssl.cnf")
printf '[req]\ndistinguished_name=name\n[name]\n' >"$work/openssl.cnf"

authority() { # NAME PATH-LENGTH [OPTION...]
    "${request[@]}" -days 3650 -subj "/CN=container-cloud $1 CA" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:$2" \
        -addext keyUsage=critical,digitalSignature,keyCertSign,cRLSign \
        -keyout "$work/ca/$1.key" -out "$work/ca/$1.crt" "${@:3}" 2>>"$work/openssl.txt"
}

leaf() { # HOST-AND-PATH AUTHORITY SUBJECT USAGES [NAMES]
    mkdir -p "$(dirname "$work/hosts/$1")"
    "${request[@]}" -days 365 -CA "$work/ca/$2.crt" -CAkey "$work/ca/$2.key" -subj "$3" \
        -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature,keyEncipherment \
        -addext "extendedKeyUsage=$4" ${5:+-addext "subjectAltName=$5"} \
        -keyout "$work/hosts/$1.key" -out "$work/hosts/$1.crt" 2>>"$work/openssl.txt"
}

finish() { # PROCESS...: all of them, and none may fail
    for process; do wait "$process" || { grep -v '^[-.+*]*$' "$work/openssl.txt" >&2; exit 1; }; done
}

place() { # AUTHORITY HOST-AND-PATH...
    for path in "${@:2}"; do install -D -m 644 "$work/ca/$1.crt" "$work/hosts/$path"; done
}

certificates() {
    local k=etc/kubernetes/ca jobs=() arguments name
    mkdir "$work/ca"
    for name in cluster:1 etcd:0 front-proxy:0; do authority ${name/:/ } & jobs+=($!); done
    openssl genrsa -out "$work/ca/sa.key" 2048 2>>"$work/openssl.txt" & jobs+=($!)
    finish "${jobs[@]}"
    authority cluster-signing 0 -CA "$work/ca/cluster.crt" -CAkey "$work/ca/cluster.key" & jobs=($!)
    while read -ra arguments; do leaf "${arguments[@]}" & jobs+=($!); done <"$ready/certificates"
    while read -r _ name; do
        place cluster "$name/$k/ca.crt" "$name/usr/local/share/ca-certificates/container-cloud.crt"
        place etcd "$name/etc/flannel/pki/ca.crt"
    done <<<"$hosts"
    place etcd master/etc/etcd/pki/ca.crt master/$k/etcd-ca.crt
    place front-proxy master/$k/front-proxy-ca.crt
    finish "${jobs[@]}"
    place cluster-signing master/$k/signing-ca.crt
    cat "$work/ca/cluster.crt" "$work/ca/cluster-signing.crt" >"$work/hosts/master/$k/clients-ca.crt"
    install -m 600 "$work/ca/cluster-signing.key" "$work/hosts/master/$k/signing-ca.key"
    install -m 600 "$work/ca/sa.key" "$work/hosts/master/$k/sa.key"
    openssl rsa -in "$work/ca/sa.key" -pubout -out "$work/hosts/master/$k/sa.pub" 2>>"$work/openssl.txt"
    install -m 600 /dev/null "$work/hosts/master/$k/secrets.key"
    openssl rand -base64 32 >"$work/hosts/master/$k/secrets.key"
}

# --- The hosts, all at once -----------------------------------------------------------------------------------------

run_on() { # NAME: all of one host; becomes the ssh session
    {
        cat "$ready/settings" "$ready/$1.settings"
        echo "files=$(cd "$work/hosts/$1" && find . -type f | tar -czf - --owner=root --group=root -T - | base64 -w0)"
        cat "$here/by_hand/host.sh"
    } >"$work/$1.sh"
    eval "exec $(cat "$ready/$1.ssh") sh -s" <"$work/$1.sh" >"$work/$1.log" 2>&1
}

certificates
declare -A running
while read -r _ name; do
    run_on "$name" &
    running[$!]=$name
done <<<"$hosts"
while wait -n -p ended; do :; done # until one fails; `ended` stays empty when none is left
if [ -n "${ended:-}" ]; then
    printf '%s failed:\n' "${running[$ended]}" >&2
    cat "$work/${running[$ended]}.log" >&2
    exit 1
fi
[ -z "${BY_HAND_LOG:-}" ] || tail -n +1 "$work"/*.log
