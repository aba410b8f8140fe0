#!/usr/bin/env bash
# The cluster of deploys/cluster.py as a skilled administrator types it: certificates with openssl on this machine,
# then one ssh session and one shell script (by_hand/host.sh) a host, all hosts at once. `python -m bench` compares the
# deploy with it. Like every such script it is for bare hosts only: it looks at nothing and restarts nothing.
# With BY_HAND_LOG=1 it ends with what every host said, and when.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$here/.."

# Addresses, logins, mirror and checksums are the lab's: $work/settings goes to every host, $work/NAME.ssh logs in.
python=.venv/bin/python
[ -x $python ] || python=python3
"$python" - "$work" <<'EOF'
import runpy, shlex, sys
from pathlib import Path

sys.path.insert(0, ".")
from lab import ssh, state

work, hosts = Path(sys.argv[1]), state.hosts()
data = {**runpy.run_path("group_data/all.py"), **runpy.run_path("lab/group_data/all.py")}
extra = runpy.run_path("lab/group_data/nodes.py")["host_extra_args"]["kube-proxy"]
(repository,), pause = data["apt_repositories"], data["pause_image_archive"]
version = {"flanneld": data["flannel_version"]}
releases = [
    f"{name} {file['url'].format(version=version.get(name, data['kubernetes_version']))} {file['sha256']}"
    for name, file in data["release_files"].items()
]
settings = {
    "hosts": "\n".join(f"{host.address}  {host.name}" for host in hosts),
    "master": hosts[0].address,
    "nodes": str(len(hosts) - 1),
    "apt_uri": repository["uri"],
    "apt_suite": repository["suite"],
    "apt_key": Path(repository["key"]).read_text(),
    "releases": "\n".join([*releases, f"pause {pause['url']} {pause['sha256']}"]),
    "pause_image": data["pause_image"],
    "kube_proxy_extra": " ".join(f"--{flag}={value}" for flag, value in extra.items()),
}
(work / "settings").write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))
for host in hosts:
    (work / f"{host.name}.ssh").write_text(shlex.join(ssh.command(host)))
EOF
# shellcheck source=/dev/null
. "$work/settings"
: "${hosts:?}" "${master:?}"

# --- Certificates: $work/ca holds the authorities, $work/NAME what goes to a host, at its final path -----------------

request=(openssl req -x509 -newkey rsa:2048 -noenc -config "$work/openssl.cnf")
printf '[req]\ndistinguished_name=name\n[name]\n' >"$work/openssl.cnf"

authority() { # NAME PATH-LENGTH [OPTION...]
    "${request[@]}" -days 3650 -subj "/CN=container-cloud $1 CA" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:$2" \
        -addext keyUsage=critical,digitalSignature,keyCertSign,cRLSign \
        -keyout "$work/ca/$1.key" -out "$work/ca/$1.crt" "${@:3}" 2>>"$work/openssl.txt"
}

leaf() { # HOST-AND-PATH AUTHORITY SUBJECT USAGES [NAMES]
    mkdir -p "$(dirname "$work/$1")"
    "${request[@]}" -days 365 -CA "$work/ca/$2.crt" -CAkey "$work/ca/$2.key" -subj "$3" \
        -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature,keyEncipherment \
        -addext "extendedKeyUsage=$4" ${5:+-addext "subjectAltName=$5"} \
        -keyout "$work/$1.key" -out "$work/$1.crt" 2>>"$work/openssl.txt"
}

finish() { # PROCESS...: all of them, and none may fail
    for process; do wait "$process" || { grep -v '^[-.+*]*$' "$work/openssl.txt" >&2; exit 1; }; done
}

place() { # AUTHORITY HOST-AND-PATH...
    for path in "${@:2}"; do install -D -m 644 "$work/ca/$1.crt" "$work/$path"; done
}

listed() { # every leaf, as `leaf` takes it
    local k=etc/kubernetes/ca e=etc/etcd/pki f=etc/flannel/pki both=clientAuth,serverAuth address name
    local own=DNS:master,DNS:localhost,IP:$master,IP:127.0.0.1
    local service=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
    service+=,DNS:kubernetes.default.svc.cluster.local,IP:192.168.1.1
    cat <<END
master/$e/server etcd /CN=master $both $own
master/$e/peer etcd /CN=master $both $own
master/$e/root etcd /CN=root clientAuth
master/$k/server cluster /CN=master serverAuth $service,$own
master/$k/client cluster /O=system:masters/CN=client clientAuth
master/$k/etcd-client etcd /CN=kube-apiserver clientAuth
master/$k/kubelet-client cluster /CN=kube-apiserver-kubelet-client clientAuth
master/$k/controller-manager cluster /CN=system:kube-controller-manager clientAuth
master/$k/scheduler cluster /CN=system:kube-scheduler clientAuth
master/$k/front-proxy-client front-proxy /CN=front-proxy-client clientAuth
END
    while read -r address name; do
        [ "$name" != master ] || continue
        echo "$name/$k/client cluster /O=system:nodes/CN=system:node:$name clientAuth"
        echo "$name/$k/kubelet cluster /O=system:nodes/CN=system:node:$name serverAuth DNS:$name,IP:$address"
        echo "$name/$k/proxy cluster /CN=system:kube-proxy clientAuth"
        echo "$name/$f/client etcd /CN=flannel clientAuth"
    done <<<"$hosts"
}

certificates() {
    local k=etc/kubernetes/ca jobs=() arguments name
    mkdir "$work/ca"
    for name in cluster:1 etcd:0 front-proxy:0; do authority ${name/:/ } & jobs+=($!); done
    openssl genrsa -out "$work/ca/sa.key" 2048 2>>"$work/openssl.txt" & jobs+=($!)
    finish "${jobs[@]}"
    authority cluster-signing 0 -CA "$work/ca/cluster.crt" -CAkey "$work/ca/cluster.key" & jobs=($!)
    while read -ra arguments; do leaf "${arguments[@]}" & jobs+=($!); done < <(listed)
    while read -r _ name; do
        place cluster "$name/$k/ca.crt" "$name/usr/local/share/ca-certificates/container-cloud.crt"
        [ "$name" = master ] || place etcd "$name/etc/flannel/pki/ca.crt"
    done <<<"$hosts"
    place etcd master/etc/etcd/pki/ca.crt master/$k/etcd-ca.crt
    place front-proxy master/$k/front-proxy-ca.crt
    finish "${jobs[@]}"
    place cluster-signing master/$k/signing-ca.crt
    install -m 600 "$work/ca/cluster-signing.key" "$work/master/$k/signing-ca.key"
    install -m 600 "$work/ca/sa.key" "$work/master/$k/sa.key"
    openssl rsa -in "$work/ca/sa.key" -pubout -out "$work/master/$k/sa.pub" 2>>"$work/openssl.txt"
    cat "$work/ca/cluster.crt" "$work/ca/cluster-signing.crt" >"$work/master/$k/clients-ca.crt"
}

# --- The hosts, all at once -----------------------------------------------------------------------------------------

run_on() { # ADDRESS NAME: all of one host; becomes the ssh session
    {
        cat "$work/settings"
        echo "address=$1 name=$2"
        echo "certificates=$(cd "$work/$2" && find . -type f | tar -czf - --owner=root --group=root -T - | base64 -w0)"
        cat "$here/by_hand/host.sh"
    } >"$work/$2.sh"
    eval "exec $(cat "$work/$2.ssh") sh -s" <"$work/$2.sh" >"$work/$2.log" 2>&1
}

umask 022
certificates
declare -A running
while read -r address name; do
    run_on "$address" "$name" &
    running[$!]=$name
done <<<"$hosts"
while wait -n -p ended; do :; done # until one fails; `ended` stays empty when none is left
if [ -n "${ended:-}" ]; then
    printf '%s failed:\n' "${running[$ended]}" >&2
    cat "$work/${running[$ended]}.log" >&2
    exit 1
fi
[ -z "${BY_HAND_LOG:-}" ] || tail -n +1 "$work"/*.log
