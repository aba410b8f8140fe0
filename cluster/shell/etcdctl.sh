# shellcheck shell=sh
# etcdctl on a member, as its administrator: e asks the API v3, e2 the API v2. Each call ends by itself.
endpoint=''
while IFS='"' read -r name value _ || [ -n "$name" ]; do
    [ "$name" != ETCD_ADVERTISE_CLIENT_URLS= ] || endpoint=$value
done 2>/dev/null </etc/etcd/etcd.conf
# shellcheck disable=SC2329  # called by what follows
e() {
    ETCDCTL_API=3 ETCDCTL_DIAL_TIMEOUT=2s ETCDCTL_ENDPOINTS=$endpoint ETCDCTL_CACERT=$PKI/ca.crt \
        ETCDCTL_CERT=$PKI/root.crt ETCDCTL_KEY=$PKI/root.key timeout 10 etcdctl "$@" </dev/null
}
# shellcheck disable=SC2329
e2() {
    ETCDCTL_API=2 timeout 10 etcdctl --endpoints "$endpoint" --ca-file "$PKI/ca.crt" \
        --cert-file "$PKI/root.crt" --key-file "$PKI/root.key" "$@" </dev/null
}
