# shellcheck shell=sh
# What a host holds of etcd, a line each, each only where it is so. Nothing where that cannot be seen: to an account
# without root's rights, data in etcd's own directory would look lost.
# shellcheck disable=SC2329 # called by what follows
etcd_held() {  # UID STATE-OF-ETCD, as systemd names it
    [ "$1" = 0 ] || return 0
    state=$2 configured='' first=''
    # With the time of day, which nobody reads.
    [ ! -d "$DATA/member" ] || TZ=UTC0 stat -c etcd_data=%y "$DATA"
    [ ! -e "$LIVED" ] || echo etcd_lived=yes
    # In etcd.conf itself, where an earlier release of this project wrote it.
    for file in /etc/etcd/bootstrap.conf /etc/etcd/etcd.conf; do
        while IFS='"' read -r name value _ || [ -n "$name" ]; do
            [ "$name" != ETCD_INITIAL_CLUSTER= ] || configured=${configured:-$value}
        done 2>/dev/null <"$file"
    done
    [ -z "$configured" ] || echo "etcd_configured=$configured"
    read -r first 2>/dev/null </etc/etcd/etcd.conf
    case $first in *container-cloud*) echo etcd_ours=yes ;; esac
    # What a node has of a cluster that has lived.
    if [ -e /etc/flannel/pki/client.crt ]; then
        set -- /var/lib/kubelet/pods/*/
        if [ -e "$1" ]; then
            echo etcd_node=/var/lib/kubelet/pods
        elif [ -s /run/flannel/subnet.env ]; then
            echo etcd_node=/run/flannel/subnet.env
        fi
    fi
    # shellcheck disable=SC2154 # of etcdctl.sh
    if [ -e "$PKI/root.crt" ] && [ "$state" = active ] && members=$(e member list -w json 2>/dev/null); then
        echo "etcd_members=$members"
    fi
}
