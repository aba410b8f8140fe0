# shellcheck shell=sh disable=SC2154,SC2086,SC2046,SC2013
# One host, from bare to its part in the cluster. by_hand.sh puts the variables in front of it (bench/ready.py tells
# which, and files, a tar archive of all that goes below /) and feeds it to `sh -s` on the host.
set -eu
export DEBIAN_FRONTEND=noninteractive
pki=/etc/kubernetes/ca
etcd=https://$master:2379
api=https://$master:6443
fetches=/root/fetches

main() {
    step "prepare"
    printf %s "$files" | base64 -d | tar -xzf - -C /
    fetch_all
    prepare
    step "packages"
    apt-get -qq update
    apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends --no-upgrade $packages >/dev/null
    update-ca-certificates >/dev/null 2>&1 &
    trust=$!
    systemctl enable -q $units
    if [ "$name" = master ]; then master; else node; fi
    wait $trust
    rm -r $fetches
    step "done"
}

step() { echo "$(date +%T.%2N) $*"; }

poll() { # COMMAND...: every 0.2 s until it succeeds, for 180 s at most
    deadline=$(($(date +%s) + 180))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $deadline ] || { echo "not after 180 s: $*"; return 1; }
        sleep 0.2
    done
}

start() { # UNIT...
    step "$*"
    timeout 180 systemctl start "$@"
}

# --- Release files, all at once ---------------------------------------------------------------------------------------

fetch_all() {
    mkdir -p $fetches /opt/cni/bin
    while read -r role kind digest url paths; do
        fetch $kind $digest $url $paths &
        echo $! >>$fetches/$role
    done <<END
$releases
END
}

got() { # ROLE: all that it needs, verified and in place
    for process in $(cat $fetches/$1); do wait $process; done
}

fetch() { # KIND DIGEST URL PATH...
    kind=$1 digest=$2 url=$3
    shift 3
    file=$fetches/$digest
    curl -fsSL --retry 3 -o $file $url
    echo "$digest  $file" | sha$((${#digest} * 4))sum -c --status
    case $kind in
        file) mv $file $1 ;;
        program) install -m 755 $file $1 ;;
        archive)
            mkdir $file.d
            tar -xf $file -C $file.d
            for path; do install -m 755 "$(find $file.d -type f -name ${path##*/})" $path; done
            ;;
    esac
}

# --- Every host -------------------------------------------------------------------------------------------------------

prepare() {
    echo "$hosts" >>/etc/hosts
    if ! [ -e /proc/sys/net/bridge ] || ! grep -qw overlay /proc/filesystems; then modprobe -a br_netfilter overlay; fi
    grep -h ' = ' /etc/sysctl.d/9?-container-cloud*.conf | while read -r key _ value; do
        [ "$(sysctl -n $key)" = $value ] || sysctl -qw $key=$value
    done
    for unit in firewalld ufw; do systemctl disable -q --now $unit 2>/dev/null || true; done
    [ ! -e /etc/selinux/config ] || sed -i s/^SELINUX=enforcing/SELINUX=permissive/ /etc/selinux/config
    swapoff -a
    [ ! -e /etc/fstab ] || sed -Ei 's/^([^#]\S*\s+\S+\s+swap\s)/# \1/' /etc/fstab
}

# --- The pod network --------------------------------------------------------------------------------------------------

reach_others() { # [ADDRESS]: from there, or from flannel's own
    step "other hosts"
    from=${1:-}
    poll knows_others
    for other in $(others); do poll reached $other; done
}

others() { ip -4 route show dev flannel.1 | sed -n 's|.* via \([0-9.]*\) .*|\1|p'; }

knows_others() { [ "$(others | wc -l)" = $(($(echo "$hosts" | wc -l) - 1)) ]; }

# A kubelet there, or an API server.
reached() { ask "https://$1:10250/" || ask "https://$1:6443/"; }

ask() { curl -sk --max-time 2 ${from:+--interface "$from"} -o /dev/null "$1"; }

# --- The master -----------------------------------------------------------------------------------------------------

master() {
    got etcd
    useradd --system --user-group --home-dir /var/lib/etcd --shell /sbin/nologin etcd
    install -d -o etcd -g etcd -m 0700 /var/lib/etcd
    start etcd
    poll etcdctl endpoint health
    step "etcd users"
    etcd_users
    got flannel
    start flanneld
    got master
    start kube-apiserver
    poll curl -sf --cacert $pki/ca.crt --cert $pki/client.crt --key $pki/client.key "$api/readyz"
    start kube-controller-manager kube-scheduler
    kubectl create clusterrolebinding container-cloud:kube-apiserver-to-kubelets \
        --clusterrole=system:kubelet-api-admin --user=kube-apiserver-kubelet-client
    poll curl -skf https://127.0.0.1:10257/healthz
    poll curl -skf https://127.0.0.1:10259/healthz
    step "nodes"
    poll nodes_ready
    step "cluster DNS"
    kubectl apply -f /root/cluster-dns.json
    kubectl -n kube-system rollout status deployment/coredns --timeout=180s
    reach_others
}

nodes_ready() { [ "$(kubectl get nodes --no-headers | awk '$2 ~ /^Ready/' | wc -l)" = "$nodes" ]; }

kubectl() { /usr/local/bin/kubectl --kubeconfig=/etc/kubernetes/kubeconfig "$@"; }

etcdctl() {
    timeout 10 /usr/local/bin/etcdctl --endpoints "$etcd" \
        --cacert /etc/etcd/pki/ca.crt --cert /etc/etcd/pki/root.crt --key /etc/etcd/pki/root.key "$@" >/dev/null
}

etcd_users() {
    for user in root kube-apiserver flannel; do
        etcdctl role add $user
        etcdctl user add $user --no-password
        etcdctl user grant-role $user $user
    done
    etcdctl role grant-permission kube-apiserver readwrite /registry/ --prefix=true
    etcdctl role grant-permission kube-apiserver readwrite compact_rev_key
    etcdctl role grant-permission flannel readwrite /flannel/network/ --prefix=true
    etcdctl auth enable
    etcdctl put /flannel/network/config "$flannel_configuration"
}

# --- A node ---------------------------------------------------------------------------------------------------------

flannel=/etc/flannel/pki

node() {
    got flannel
    poll curl -sf --cacert $flannel/ca.crt --cert $flannel/client.crt --key $flannel/client.key "$etcd/health"
    start flanneld
    got containerd
    start containerd
    got images
    ctr -n k8s.io images import --label io.cri-containerd.pinned=pinned /root/pause.tar
    rm /root/pause.tar
    got node
    poll curl -sf --cacert $pki/ca.crt "$api/readyz"
    start kubelet kube-proxy
    poll curl -sf http://127.0.0.1:10248/healthz
    poll curl -sf http://127.0.0.1:10256/healthz
    reach_others $(sed -n 's|^FLANNEL_SUBNET=\(.*\)/.*|\1|p' /run/flannel/subnet.env)
    step "cluster DNS"
    poll curl -sf "http://$dns:9153/metrics"
}

main </dev/null
