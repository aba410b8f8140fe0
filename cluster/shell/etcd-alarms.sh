# shellcheck shell=sh
# etcd's alarms, and how large the database of the member on this host is, in bytes; nothing where there is no alarm.
# shellcheck disable=SC2154 # endpoint, PKI and e: etcdctl.sh
! curl -s --max-time 5 --cacert "$PKI/ca.crt" --cert "$PKI/root.crt" --key "$PKI/root.key" "$endpoint/health" |
    grep -q '"health":"true"' || exit 0
e alarm list 2>/dev/null | sed -n 's/.*alarm:\([A-Z]*\).*/alarm \1/p'
e endpoint status -w fields 2>/dev/null | sed -n 's/^"DBSize" : /database /p'
