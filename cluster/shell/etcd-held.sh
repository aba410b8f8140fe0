# shellcheck shell=sh
# What a host holds of etcd, a line each, each only where it is so. Nothing where that cannot be seen: to an account
# without root's rights, data in etcd's own directory would look lost.
if [ "$(id -u)" = 0 ]; then
    [ ! -d "$DATA/member" ] || echo "etcd_data=$(date -u -d "@$(stat -c %Y "$DATA")" +%Y-%m-%d)"
    [ ! -e "$LIVED" ] || echo etcd_lived=yes
    # In etcd.conf itself, where an earlier release of this project wrote it.
    sed -n 's/^ETCD_INITIAL_CLUSTER="\(.*\)"/etcd_configured=\1/p' /etc/etcd/bootstrap.conf /etc/etcd/etcd.conf \
        2>/dev/null | head -n 1
    ! head -n 1 /etc/etcd/etcd.conf 2>/dev/null | grep -q container-cloud || echo etcd_ours=yes
    # What a node has of a cluster that has lived.
    if [ -e /etc/flannel/pki/client.crt ]; then
        if ls /var/lib/kubelet/pods/*/ >/dev/null 2>&1; then
            echo etcd_node=/var/lib/kubelet/pods
        elif [ -s /run/flannel/subnet.env ]; then
            echo etcd_node=/run/flannel/subnet.env
        fi
    fi
    # shellcheck disable=SC2154 # of etcdctl.sh
    if [ -e "$PKI/root.crt" ] && systemctl is-active -q etcd && members=$(e member list -w json 2>/dev/null); then
        echo "etcd_members=$members"
    fi
fi
