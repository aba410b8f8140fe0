# shellcheck shell=sh
# Whether a member is healthy and in the cluster that it shall be in; says what it found otherwise.
if ! curl -s --max-time 5 --cacert "$PKI/ca.crt" --cert "$PKI/root.crt" --key "$PKI/root.key" "$URL/health" |
    grep -q '"health":"true"'; then
    echo "$URL/health does not say that it is healthy"
    exit 1
fi
found=$(e member list 2>/dev/null | awk -F ', ' '{print $3 " " $4}' | LC_ALL=C sort)
if [ "$found" != "$MEMBERS" ]; then
    echo "etcd's members are:"
    echo "$found"
    echo "by the inventory they are:"
    echo "$MEMBERS"
    exit 1
fi
id=$(e member list -w json 2>/dev/null | sed 's/.*"cluster_id":\([0-9]*\).*/\1/')
if [ -n "$CLUSTER" ] && [ "$(printf %x "$id")" != "$CLUSTER" ]; then
    echo "it is a member of etcd's cluster $(printf %x "$id"); the store says that this cluster's etcd is $CLUSTER"
    exit 1
fi
