#!/bin/sh
# Whether a member is healthy and in the cluster that it shall be in; says what it found otherwise.
if ! curl -s --max-time 5 --cacert "$PKI/ca.crt" --cert "$PKI/root.crt" --key "$PKI/root.key" "$URL/health" |
    grep -q '"health":"true"'; then
    echo "$URL/health does not say that it is healthy"
    exit 1
fi
listed=$(e member list -w fields 2>/dev/null)
found=$(printf '%s\n' "$listed" | awk -F '"' '$2 == "Name" { name = $4 } $2 == "PeerURL" { print name " " $4 }' | LC_ALL=C sort)
if [ "$found" != "$MEMBERS" ]; then
    echo "etcd's members are:"
    echo "$found"
    echo "by the inventory they are:"
    echo "$MEMBERS"
    exit 1
fi
id=$(printf '%s\n' "$listed" | sed -n 's/^"ClusterID" : //p')
if [ -n "$CLUSTER" ] && [ "$(printf %x "$id")" != "$CLUSTER" ]; then
    echo "it is a member of etcd's cluster $(printf %x "$id"); the store says that this cluster's etcd is $CLUSTER"
    exit 1
fi
