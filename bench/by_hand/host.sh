# shellcheck shell=sh disable=SC2154,SC2086,SC2046
# One host, from bare to its part in the cluster. by_hand.sh puts the variables in front of it (settings, address, name,
# certificates) and feeds it to `sh -s` on the host.
set -eu
export DEBIAN_FRONTEND=noninteractive
pki=/etc/kubernetes/ca
systemd=/etc/systemd/system
api=https://$master:6443
etcd=https://$master:2379

main() {
    step "prepare"
    prepare
    if [ "$name" = master ]; then master; else node; fi
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

fetch() { # NAME PATH: a release file, verified
    set -- "$2" $(echo "$releases" | sed -n "s/^$1 //p")
    curl -fsSL --retry 3 -o "$1.new" "$2"
    echo "$3  $1.new" | sha256sum -c --status
    chmod 755 "$1.new"
    mv -f "$1.new" "$1"
}

prepare() {
    printf %s "$certificates" | base64 -d | tar -xzf - -C /
    mkdir -p /etc/apt/keyrings /etc/sysconfig
    printf %s "$apt_key" >/etc/apt/keyrings/lab.asc
    printf '%s\n' "Types: deb" "URIs: $apt_uri" "Suites: $apt_suite" "Signed-By: /etc/apt/keyrings/lab.asc" \
        >/etc/apt/sources.list.d/lab.sources
    echo "$hosts" >>/etc/hosts
    printf 'br_netfilter\noverlay\n' >/etc/modules-load.d/kubernetes.conf
    if ! [ -e /proc/sys/net/bridge ] || ! grep -qw overlay /proc/filesystems; then modprobe -a br_netfilter overlay; fi
    printf 'net.%s = 1\n' ipv4.ip_forward bridge.bridge-nf-call-iptables bridge.bridge-nf-call-ip6tables \
        >/etc/sysctl.d/90-kubernetes.conf
    sysctl -q -p /etc/sysctl.d/90-kubernetes.conf
    for unit in firewalld ufw; do systemctl disable -q --now $unit 2>/dev/null || true; done
    [ ! -e /etc/selinux/config ] || sed -i s/^SELINUX=enforcing/SELINUX=permissive/ /etc/selinux/config
    swapoff -a
    [ ! -e /etc/fstab ] || sed -Ei 's/^([^#]\S*\s+\S+\s+swap\s)/# \1/' /etc/fstab
}

packages() { # "UNIT..." PACKAGE...: without starting the units, which are not configured yet
    units=$1
    shift
    systemctl mask -q --runtime $units
    apt-get -qq update
    apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends --no-upgrade \
        ca-certificates curl iproute2 iptables kmod procps "$@" >/dev/null
    systemctl unmask -q --runtime $units
}

kubeconfig() { # PATH USER CERTIFICATE CONTEXT
    cat >"$1" <<END
apiVersion: v1
kind: Config
clusters: [{name: k8s-cluster, cluster: {certificate-authority: $pki/ca.crt, server: "$api"}}]
users: [{name: "$2", user: {client-certificate: $pki/$3.crt, client-key: $pki/$3.key}}]
contexts: [{name: $4, context: {cluster: k8s-cluster, user: "$2"}}]
current-context: $4
END
}

service() { # NAME VARIABLES AFTER [LINES]: a Kubernetes component's unit
    cat >$systemd/$1.service <<END
[Unit]
Description=Kubernetes ${1#kube-}
Wants=network-online.target $3
After=network-online.target $3
StartLimitIntervalSec=0

[Service]
EnvironmentFile=/etc/kubernetes/config
EnvironmentFile=/etc/kubernetes/${1#kube-}
${4:-}
ExecStart=/usr/local/bin/$1 $2
Restart=always
RestartSec=2
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
END
}

kubernetes() { # what masters and nodes share
    cat >/etc/kubernetes/config <<END
KUBE_MASTER="--master=$api"
KUBE_CONFIG="--kubeconfig=/etc/kubernetes/kubeconfig"
KUBE_COMMON_ARGS="--logtostderr=true --v=1"
END
    kubeconfig /etc/kubernetes/kubeconfig default-admin client default-system
}

# --- The master -----------------------------------------------------------------------------------------------------

master() {
    processes=
    for program in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
        fetch $program /usr/local/bin/$program &
        processes="$processes $!"
    done
    configure_etcd
    configure_master
    step "packages"
    packages etcd.service etcd-server etcd-client
    update-ca-certificates >/dev/null 2>&1 &
    trust=$!
    step "etcd"
    systemctl enable -q etcd kube-apiserver kube-controller-manager kube-scheduler
    timeout 180 systemctl start etcd
    poll etcdctl endpoint health
    step "etcd users"
    etcd_users
    step "programs"
    for process in $processes; do wait $process; done
    step "API server"
    timeout 180 systemctl start kube-apiserver
    poll curl -sf --cacert $pki/ca.crt --cert $pki/client.crt --key $pki/client.key "$api/readyz"
    step "control loops"
    systemctl start kube-controller-manager kube-scheduler
    kubectl create clusterrolebinding container-cloud:kube-apiserver-to-kubelets \
        --clusterrole=system:kubelet-api-admin --user=kube-apiserver-kubelet-client
    poll curl -skf https://127.0.0.1:10257/healthz
    poll curl -skf https://127.0.0.1:10259/healthz
    wait $trust
    step "nodes"
    poll nodes_ready
}

nodes_ready() { [ "$(kubectl get nodes --no-headers | awk '$2 ~ /^Ready/' | wc -l)" = "$nodes" ]; }

kubectl() { /usr/local/bin/kubectl --kubeconfig=/etc/kubernetes/kubeconfig "$@"; }

etcdctl() {
    ETCDCTL_API=3 timeout 10 /usr/bin/etcdctl --endpoints "$etcd" \
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
    etcdctl put /flannel/network/config \
        '{"Network":"192.168.0.0/16","SubnetLen":24,"SubnetMin":"192.168.2.0","Backend":{"Type":"vxlan"}}'
}

configure_etcd() {
    mkdir -p $systemd/etcd.service.d
    cat >/etc/etcd/etcd.conf <<END
ETCD_NAME="master"
ETCD_DATA_DIR="/var/lib/etcd/default.etcd"
ETCD_LISTEN_CLIENT_URLS="$etcd"
ETCD_ADVERTISE_CLIENT_URLS="$etcd"
ETCD_LISTEN_PEER_URLS="https://$master:2380"
ETCD_INITIAL_ADVERTISE_PEER_URLS="https://$master:2380"
ETCD_INITIAL_CLUSTER="master=https://$master:2380"
ETCD_INITIAL_CLUSTER_TOKEN="k8s-cluster"
ETCD_INITIAL_CLUSTER_STATE="new"
ETCD_CERT_FILE="/etc/etcd/pki/server.crt"
ETCD_KEY_FILE="/run/etcd/server.key"
ETCD_TRUSTED_CA_FILE="/etc/etcd/pki/ca.crt"
ETCD_CLIENT_CERT_AUTH="true"
ETCD_PEER_CERT_FILE="/etc/etcd/pki/peer.crt"
ETCD_PEER_KEY_FILE="/run/etcd/peer.key"
ETCD_PEER_TRUSTED_CA_FILE="/etc/etcd/pki/ca.crt"
ETCD_PEER_CLIENT_CERT_AUTH="true"
ETCD_QUOTA_BACKEND_BYTES="2147483648"
END
    cat >$systemd/etcd.service.d/by-hand.conf <<END
[Unit]
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
EnvironmentFile=/etc/etcd/etcd.conf
RuntimeDirectory=etcd
RuntimeDirectoryMode=0700
ExecStartPre=+/usr/bin/install -o etcd -g etcd -m 0400 /etc/etcd/pki/server.key /etc/etcd/pki/peer.key /run/etcd/
Restart=always
RestartSec=2
END
}

configure_master() {
    kubernetes
    cat >/etc/kubernetes/apiserver <<END
KUBE_ETCD_SERVERS="--storage-backend=etcd3 --etcd-servers=$etcd --etcd-cafile=$pki/etcd-ca.crt \
--etcd-certfile=$pki/etcd-client.crt --etcd-keyfile=$pki/etcd-client.key"
KUBE_ADMISSION_CONTROL="--enable-admission-plugins=NamespaceLifecycle,NamespaceExists,LimitRanger,SecurityContextDeny,\
ServiceAccount,ResourceQuota,NodeRestriction"
KUBE_API_ARGS="--service-node-port-range=80-65535 --service-cluster-ip-range=192.168.1.0/24 --bind-address=0.0.0.0 \
--advertise-address=$master --insecure-port=0 --secure-port=6443 --authorization-mode=Node,RBAC --anonymous-auth=false \
--client-ca-file=$pki/clients-ca.crt --tls-cert-file=$pki/server.crt --tls-private-key-file=$pki/server.key \
--kubelet-certificate-authority=$pki/ca.crt --kubelet-client-certificate=$pki/kubelet-client.crt \
--kubelet-client-key=$pki/kubelet-client.key --kubelet-preferred-address-types=InternalIP,Hostname \
--service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-key-file=$pki/sa.pub \
--service-account-signing-key-file=$pki/sa.key --requestheader-client-ca-file=$pki/front-proxy-ca.crt \
--requestheader-allowed-names=front-proxy-client --requestheader-username-headers=X-Remote-User \
--requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra- \
--proxy-client-cert-file=$pki/front-proxy-client.crt --proxy-client-key-file=$pki/front-proxy-client.key"
END
    cat >/etc/kubernetes/controller-manager <<END
KUBE_CONTROLLER_MANAGER_ARGS="--kubeconfig=/etc/kubernetes/controller-manager.kubeconfig --leader-elect=true \
--cluster-signing-cert-file=$pki/signing-ca.crt --cluster-signing-key-file=$pki/signing-ca.key \
--root-ca-file=$pki/ca.crt --service-account-private-key-file=$pki/sa.key --use-service-account-credentials=true \
--cluster-name=k8s-cluster --cluster-cidr=192.168.0.0/16 --allocate-node-cidrs=false --bind-address=127.0.0.1 --port=0"
END
    cat >/etc/kubernetes/scheduler <<END
KUBE_SCHEDULER_ARGS="--kubeconfig=/etc/kubernetes/scheduler.kubeconfig --leader-elect=true --bind-address=127.0.0.1 \
--port=0"
END
    service kube-apiserver "\$KUBE_COMMON_ARGS \$KUBE_ETCD_SERVERS \$KUBE_ADMISSION_CONTROL \$KUBE_API_ARGS" \
        etcd.service "Type=notify
TimeoutStartSec=infinity"
    for loop in controller-manager scheduler; do
        kubeconfig /etc/kubernetes/$loop.kubeconfig system:kube-$loop $loop default
        variable=KUBE_$(echo $loop | tr a-z- A-Z_)_ARGS
        service kube-$loop "\$KUBE_COMMON_ARGS \$KUBE_MASTER \$$variable" kube-apiserver.service
    done
}

# --- A node ---------------------------------------------------------------------------------------------------------

node() {
    fetch flanneld /usr/local/bin/flanneld & flanneld=$!
    fetch kubelet /usr/local/bin/kubelet & kubelet=$!
    fetch kube-proxy /usr/local/bin/kube-proxy & proxy=$!
    fetch pause /root/pause.tar & pause=$!
    configure_network
    configure_node
    step "packages"
    packages "docker.service docker.socket" docker.io conntrack ebtables ethtool ipset socat util-linux
    update-ca-certificates >/dev/null 2>&1 &
    trust=$!
    step "flanneld"
    systemctl enable -q flanneld docker kubelet kube-proxy
    wait $flanneld
    poll curl -sf --cacert $flannel/ca.crt --cert $flannel/client.crt --key $flannel/client.key "$etcd/health"
    timeout 180 systemctl start flanneld
    step "docker"
    timeout 180 systemctl start docker
    wait $pause
    docker load -q -i /root/pause.tar
    rm /root/pause.tar
    step "programs"
    wait $kubelet
    wait $proxy
    step "API server"
    poll curl -sf --cacert $pki/ca.crt --cert $pki/client.crt --key $pki/client.key "$api/readyz"
    step "kubelet"
    systemctl start kubelet kube-proxy
    poll curl -sf http://127.0.0.1:10248/healthz
    poll curl -sf http://127.0.0.1:10256/healthz
    wait $trust
    step "other nodes"
    poll knows_others
    own=$(sed -n 's|^FLANNEL_SUBNET=\(.*\)/.*|\1|p' /run/flannel/subnet.env)
    for other in $(others); do poll ping -q -c1 -W1 -I "$own" "$other"; done
}

others() { ip -4 route show dev flannel.1 | sed -n 's|^\([0-9.]*\)\.0/24 via .*|\1.1|p'; }

knows_others() { [ "$(others | wc -l)" = $((nodes - 1)) ]; }

flannel=/etc/flannel/pki
libexec=/usr/local/libexec/by-hand

configure_network() {
    mkdir -p $systemd/docker.service.d $libexec
    cat >/etc/sysconfig/flanneld <<END
FLANNEL_ETCD_ENDPOINTS="$etcd"
FLANNEL_OPTIONS="-etcd-prefix=/flannel/network -etcd-cafile=$flannel/ca.crt -etcd-certfile=$flannel/client.crt \
-etcd-keyfile=$flannel/client.key -iface=$address -ip-masq"
END
    cat >$libexec/lease <<'END'
#!/bin/sh
. /run/flannel/subnet.env
echo "DOCKER_NETWORK_OPTIONS=\"--bip=$FLANNEL_SUBNET --ip-masq=false --mtu=$FLANNEL_MTU\"" >/run/flannel/docker.env
END
    cat >$libexec/forward <<'END'
#!/bin/sh
for side in -s -d; do
    iptables -w -C FORWARD $side 192.168.0.0/16 -j ACCEPT 2>/dev/null ||
        iptables -w -I FORWARD $side 192.168.0.0/16 -j ACCEPT || exit 1
done
END
    chmod 755 $libexec/*
    cat >$systemd/flanneld.service <<END
[Unit]
Description=flannel, the pod network
Wants=network-online.target
After=network-online.target
Before=docker.service
StartLimitIntervalSec=0

[Service]
Type=notify
EnvironmentFile=/etc/sysconfig/flanneld
ExecStart=/usr/local/bin/flanneld -etcd-endpoints=\${FLANNEL_ETCD_ENDPOINTS} \$FLANNEL_OPTIONS
ExecStartPost=$libexec/lease
TimeoutStartSec=infinity
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
END
    echo 'OPTIONS="--exec-opt native.cgroupdriver=systemd -H unix:///var/run/docker.sock"' >/etc/sysconfig/docker
    cat >$systemd/docker.service.d/by-hand.conf <<END
[Unit]
Wants=flanneld.service
After=flanneld.service
StartLimitIntervalSec=0

[Service]
EnvironmentFile=/etc/sysconfig/docker
EnvironmentFile=/run/flannel/docker.env
ExecStart=
ExecStart=/usr/sbin/dockerd \$OPTIONS \$DOCKER_NETWORK_OPTIONS
ExecStartPost=$libexec/forward
Restart=always
RestartSec=2
END
}

configure_node() {
    kubernetes
    kubeconfig /etc/kubernetes/proxy.kubeconfig system:kube-proxy proxy default
    cat >/etc/kubernetes/kubelet <<END
KUBELET_ADDRESS="--address=0.0.0.0"
KUBELET_HOSTNAME="--hostname-override=$name"
KUBELET_POD_INFRA_CONTAINER="--pod-infra-container-image=$pause_image"
KUBELET_ARGS="--kubeconfig=/etc/kubernetes/kubeconfig --cgroup-driver=systemd --fail-swap-on=true \
--runtime-cgroups=/systemd/system.slice --kubelet-cgroups=/systemd/system.slice --anonymous-auth=false \
--authorization-mode=Webhook --authentication-token-webhook=true --client-ca-file=$pki/ca.crt \
--tls-cert-file=$pki/kubelet.crt --tls-private-key-file=$pki/kubelet.key --read-only-port=0 --node-ip=$address \
--cluster-domain=cluster.local"
END
    cat >/etc/kubernetes/proxy <<END
KUBE_PROXY_ARGS="--kubeconfig=/etc/kubernetes/proxy.kubeconfig --hostname-override=$name --cluster-cidr=192.168.0.0/16 \
--proxy-mode=iptables --metrics-bind-address=127.0.0.1:10249 $kube_proxy_extra"
END
    service kubelet "\$KUBE_COMMON_ARGS \$KUBELET_ADDRESS \$KUBELET_HOSTNAME \$KUBELET_POD_INFRA_CONTAINER \
\$KUBELET_ARGS" docker.service
    service kube-proxy "\$KUBE_COMMON_ARGS \$KUBE_MASTER \$KUBE_PROXY_ARGS" flanneld.service
}

main </dev/null
