# shellcheck shell=sh
# Whether the etcd that runs on this host is healthy, asked where it answers now.
url=$(tr '\0' '\n' <"/proc/$(systemctl show -p MainPID etcd | cut -d= -f2)/environ" |
    sed -n 's/^ETCD_ADVERTISE_CLIENT_URLS=//p')
curl -s --max-time 5 --cacert "$PKI/ca.crt" --cert "$PKI/root.crt" --key "$PKI/root.key" \
    "$url/health?exclude=NOSPACE" | grep -q '"health":"true"'
